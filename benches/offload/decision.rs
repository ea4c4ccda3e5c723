//! What a decision costs that has to hold replicas against a position.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sea_orm::ConnectionTrait;
use sealane::{RoutedConnection, bench::decide};
use tokio::runtime::Runtime;

use crate::{
    Result,
    options::Options,
    rounds::{Estimate, interleave},
};

const SQL: &str = "SELECT value FROM mine WHERE key = $1";
const COUNT: u32 = 20_000;

/// Nothing is needed, a position of the process, one of a session; in nanoseconds, and what they allocate.
pub(crate) fn compare(runtime: &Runtime, db: &RoutedConnection, options: &Options) -> Result<()> {
    let _context = runtime.enter();
    let empty = db.empty_session();
    let session = db.session();
    runtime.block_on(async {
        session
            .execute_unprepared("UPDATE mine SET value = value + 1 WHERE key = 0")
            .await?;
        // Until replicas are known to have it; a read asks for that.
        for handle in [db, &session] {
            let deadline = Instant::now() + Duration::from_secs(10);
            while handle.explain(SQL).reason != sealane::Reason::Replica {
                if Instant::now() > deadline {
                    return Err("no replica caught up".into());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok::<_, crate::Error>(())
    })?;
    let arms = [
        ("a session that wrote nothing", empty),
        ("the process, covered", db.clone()),
        ("a session, covered", session),
        ("without tracking", db.untracked()),
    ];
    let samples = interleave(options.pairs, arms.len(), |arm, _| {
        let begun = Instant::now();
        for _ in 0..COUNT {
            drop(black_box(decide(black_box(&arms[arm].1), black_box(SQL))));
        }
        Ok(begun.elapsed().as_nanos() as f64 / f64::from(COUNT))
    })?;
    println!("a decision, 2 replicas, with this bench's listener on every decision; ns");
    for ((name, db), samples) in arms.iter().zip(&samples) {
        let allocated = allocation_counter::measure(|| drop(decide(db, SQL)));
        let estimate = Estimate::of(samples.iter().copied());
        println!(
            "  {name:<44}{estimate:.0}, {} allocations",
            allocated.count_total
        );
    }
    for (place, (name, _)) in arms.iter().enumerate().skip(1).take(2) {
        let more = samples[place]
            .iter()
            .zip(&samples[3])
            .map(|(with, without)| with - without);
        println!(
            "  {:<44}{:.0}",
            format!("{name}, more than without"),
            Estimate::of(more)
        );
    }
    Ok(())
}
