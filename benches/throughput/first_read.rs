//! The first read after a write: where it goes when it comes this long after.

use std::time::Duration;

use crate::{
    Bench, Result,
    arm::{self, Arm, Handle},
    summary::Summary,
};

/// How long after the write it comes.
const AFTER: [u64; 5] = [2, 5, 15, 45, 150];

/// What the last line tells.
const TOLD: u64 = 15;

/// One session that writes, thinks, reads, and thinks again, so that nobody else reads.
pub(crate) fn measure(bench: &Bench<'_>, summary: &mut Summary) -> Result<()> {
    println!(
        "one session: a write, a pause, a read; {} each",
        bench.options.firsts
    );
    for after in AFTER {
        let (share, stale) = bench.runtime.block_on(firsts(bench, after))?;
        println!("  read after {after:>3} ms: {share:.3} on replicas, stale {stale}");
        summary.stale += stale;
        if after == TOLD {
            summary.first_read = Some(share);
        }
    }
    let (share, stale) = bench.runtime.block_on(thoughtful(bench))?;
    println!("  90/10 with 50 ms of thought: {share:.3} on replicas, stale {stale}\n");
    summary.stale += stale;
    summary.thought = Some(share);
    Ok(())
}

async fn firsts(bench: &Bench<'_>, after: u64) -> Result<(f64, u64)> {
    let (db, name) = arm::routed(bench.cluster, None, sealane::StatementLimit::default()).await?;
    let handle = Handle::Routed(db, name);
    handle.visit(1).await?;
    bench.cluster.wait_caught_up()?;
    let mut written = handle.visits(1).await?;
    let before = counted(bench, &handle).await?;
    let mut stale = 0;
    for _ in 0..bench.options.firsts {
        handle.visit(1).await?;
        written += 1;
        tokio::time::sleep(Duration::from_millis(after)).await;
        stale += u64::from(handle.visits(1).await? < written);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let counted = counted(bench, &handle).await?.since(before);
    handle.close().await?;
    Ok((
        counted.replica_reads as f64 / counted.reads.max(1) as f64,
        stale,
    ))
}

/// One session, a random mix, and a moment of thought between two statements.
async fn thoughtful(bench: &Bench<'_>) -> Result<(f64, u64)> {
    let (db, name) = arm::routed(bench.cluster, None, sealane::StatementLimit::default()).await?;
    let handle = Handle::Routed(db, name).for_task(Arm::Sessions);
    handle.visit(2).await?;
    bench.cluster.wait_caught_up()?;
    let mut written = handle.visits(2).await?;
    let mut rng = fastrand::Rng::with_seed(bench.options.seed);
    let before = counted(bench, &handle).await?;
    let mut stale = 0;
    for _ in 0..bench.options.firsts {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if rng.u32(..10) == 0 {
            handle.visit(2).await?;
            written += 1;
        } else {
            stale += u64::from(handle.visits(2).await? < written);
        }
    }
    let counted = counted(bench, &handle).await?.since(before);
    handle.close().await?;
    Ok((
        counted.replica_reads as f64 / counted.reads.max(1) as f64,
        stale,
    ))
}

async fn counted(bench: &Bench<'_>, handle: &Handle) -> Result<crate::counts::Counted> {
    match handle.routed() {
        Some((db, name)) => bench.counts.of(db, name).await,
        None => Ok(crate::counts::Counted::default()),
    }
}
