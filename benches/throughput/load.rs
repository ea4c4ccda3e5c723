//! One arm in one round: so many tasks that read and write as fast as they can.
//!
//! What is counted is what happens between two moments while all tasks run and are warm: neither opening connections
//! nor the last statements count. Within a round all arms touch the same rows in the same order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    Bench, Result,
    arm::{Arm, Handle},
    counts::Counted,
    cpu,
    rows::ROWS,
};

/// How many statements each task runs before anything is counted.
const WARM_UP: u32 = 50;

/// What part of the statements is no short read, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix {
    pub(crate) writes: u32,
    /// Reads of a tenth of a second. They are not among those whose times are told.
    pub(crate) long: u32,
}

/// How many tasks run, and what they do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) tasks: usize,
    pub(crate) mix: Mix,
    pub(crate) round: usize,
}

/// What came of it.
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    /// The share of the reads that replicas served.
    pub(crate) share: f64,
    /// Statements of the handle's own for each of the application's.
    pub(crate) own: f64,
    pub(crate) stale: u64,
}

/// What one task did between the two moments.
struct Done {
    latencies: Vec<u32>,
    stale: u64,
}

pub(crate) async fn run(bench: &Bench<'_>, arm: Arm, load: Load) -> Result<Sample> {
    let handle = arm.connect(bench.cluster, load.tasks).await?;
    let stage = Arc::new(Stage {
        warm: Barrier::new(load.tasks + 1),
        begun: Barrier::new(load.tasks + 1),
        stop: AtomicBool::new(false),
    });
    let mut running = JoinSet::new();
    for task in 0..load.tasks {
        let seed = bench.options.seed ^ ((load.round as u64) << 32 | task as u64);
        let one = Task {
            handle: handle.for_task(arm),
            stage: Arc::clone(&stage),
            rng: Rng::with_seed(seed),
            own_row: i64::try_from(task)? + 1,
            written: 0,
            mix: load.mix,
        };
        running.spawn(one.run());
    }
    tokio::select! {
        _ = stage.warm.wait() => {}
        Some(failed) = running.join_next() => drop(failed??),
    }
    let before = counted(bench, &handle).await?;
    let (from, cpu) = (Instant::now(), cpu::used()?);
    stage.begun.wait().await;
    tokio::time::sleep(bench.options.slice).await;
    stage.stop.store(true, Relaxed);
    let (took, cpu) = (from.elapsed(), cpu::used()? - cpu);
    let (mut latencies, mut stale) = (Vec::new(), 0);
    while let Some(ended) = running.join_next().await {
        let done = ended??;
        latencies.extend(done.latencies);
        stale += done.stale;
    }
    let after = counted(bench, &handle).await?;
    handle.close().await?;
    latencies.sort_unstable();
    let statements = latencies.len() as f64;
    let at = |percent: usize| {
        let place = latencies.len().saturating_sub(1) * percent / 100;
        f64::from(latencies.get(place).copied().unwrap_or_default()) / 1e3
    };
    let counted = after.since(before);
    Ok(Sample {
        per_second: statements / took.as_secs_f64(),
        cpu_micros: cpu.as_secs_f64() * 1e6 / statements,
        p50_micros: at(50),
        p99_micros: at(99),
        share: counted.replica_reads as f64 / counted.reads.max(1) as f64,
        own: counted.own as f64 / statements,
        stale,
    })
}

async fn counted(bench: &Bench<'_>, handle: &Handle) -> Result<Counted> {
    match handle.routed() {
        Some((db, name)) => bench.counts.of(db, name).await,
        None => Ok(Counted::default()),
    }
}

/// When tasks begin to count, and when they end.
struct Stage {
    warm: Barrier,
    begun: Barrier,
    stop: AtomicBool,
}

/// One task: its handle, and the row that nobody else writes.
struct Task {
    handle: Handle,
    stage: Arc<Stage>,
    rng: Rng,
    own_row: i64,
    written: i64,
    mix: Mix,
}

impl Task {
    async fn run(mut self) -> Result<Done> {
        self.written = match self.mix.writes {
            0 => 0,
            _ => {
                // Written first, so that the read which follows shows what it has to see.
                self.handle.visit(self.own_row).await?;
                self.settled().await?
            }
        };
        for _ in 0..WARM_UP {
            self.step().await?;
        }
        self.stage.warm.wait().await;
        self.stage.begun.wait().await;
        let mut done = Done {
            latencies: Vec::with_capacity(1 << 16),
            stale: 0,
        };
        while !self.stage.stop.load(Relaxed) {
            if self.mix.long > 0 && self.rng.u32(..100) < self.mix.long {
                self.handle.linger().await?;
                continue;
            }
            let begun = Instant::now();
            done.stale += u64::from(self.step().await?);
            let took = begun.elapsed().min(Duration::from_secs(4));
            done.latencies.push(u32::try_from(took.as_nanos())?);
        }
        Ok(done)
    }

    /// What its row shows once it shows the same for a while: a standby may lag.
    async fn settled(&self) -> Result<i64> {
        let (mut shown, mut same) = (-1, 0);
        while same < 20 {
            let visits = self.handle.visits(self.own_row).await?;
            same = if visits == shown { same + 1 } else { 0 };
            shown = visits;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(shown)
    }

    /// One statement; whether it was a read that missed what this task had written.
    async fn step(&mut self) -> Result<bool> {
        if self.rng.u32(..100) < self.mix.writes {
            self.handle.visit(self.own_row).await?;
            self.written += 1;
            return Ok(false);
        }
        if self.rng.u32(..10) == 0 {
            return Ok(self.handle.visits(self.own_row).await? < self.written);
        }
        self.handle.visits(self.rng.i64(1..=ROWS)).await?;
        Ok(false)
    }
}
