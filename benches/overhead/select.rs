//! Point selects through SeaORM: the router against a bare connection, with the same pools and with SeaORM's defaults.
//!
//! Every arm has a pool of its own, reads the same keys in the same order within a round, and stops by a flag, so that
//! no arm asks the clock between statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::entity::{Entity, ROWS};
use crate::options::Options;
use crate::ours::{self, Ours};
use crate::rounds::{Estimate, interleave};
use crate::servers::{self, Servers};
use crate::{Result, cpu};

/// The medians that the last line tells.
pub(crate) struct Ratios {
    pub(crate) over_bare: f64,
    pub(crate) over_defaults: f64,
}

enum Arm {
    Bare(DatabaseConnection),
    Ours(Ours),
}

/// One arm in one round.
struct Sample {
    per_second: f64,
    cpu_micros: f64,
}

const BARE: usize = 0;
const OURS: usize = 2;
const DEFAULTS: usize = 3;

/// Measures and prints one table.
pub(crate) fn compare(
    options: &Options,
    runtime: &Runtime,
    servers: &Servers,
    tasks: usize,
) -> Result<Ratios> {
    let arms = runtime.block_on(async {
        Ok::<_, crate::Error>([
            (
                "bare, same options",
                Arm::Bare(servers::bare(servers).await?),
            ),
            (
                "bare again (control)",
                Arm::Bare(servers::bare(servers).await?),
            ),
            ("routed", Arm::Ours(ours::connect(servers).await?)),
            (
                "SeaORM's defaults",
                Arm::Bare(servers::defaults(servers).await?),
            ),
        ])
    })?;
    let samples = interleave(options.rounds, arms.len(), |arm, round| {
        let run = Run {
            tasks,
            length: options.select,
            seed: round as u64,
        };
        runtime.block_on(async {
            match &arms[arm].1 {
                Arm::Bare(db) => run.select(db).await,
                Arm::Ours(db) => run.select(db).await,
            }
        })
    })?;
    let ratio = |arm: usize, under: usize, figure: fn(&Sample) -> f64| {
        Estimate::of_ratios(
            samples[arm].iter().map(figure),
            samples[under].iter().map(figure),
        )
    };
    println!(
        "point selects, {}, {tasks} task(s), {} rounds of {:?}, 95 % intervals",
        servers.name, options.rounds, options.select
    );
    println!(
        "  {:<22}{:>12}  {:<24}{:>10}  {:<24}",
        "", "per second", "of bare", "CPU µs", "of bare"
    );
    for (arm, (name, _)) in arms.iter().enumerate() {
        println!(
            "  {name:<22}{:>12.0}  {:<24}{:>10.2}  {:<24}",
            Estimate::of(samples[arm].iter().map(Sample::per_second)).median,
            ratio(arm, BARE, Sample::per_second).to_string(),
            Estimate::of(samples[arm].iter().map(Sample::cpu_micros)).median,
            ratio(arm, BARE, Sample::cpu_micros).to_string(),
        );
    }
    let over_defaults = ratio(OURS, DEFAULTS, Sample::per_second);
    println!("  {:<22}{:>12}  {over_defaults}\n", "routed / defaults", "");
    Ok(Ratios {
        over_bare: ratio(OURS, BARE, Sample::per_second).median,
        over_defaults: over_defaults.median,
    })
}

impl Sample {
    fn per_second(&self) -> f64 {
        self.per_second
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu_micros
    }
}

/// How one arm runs in one round.
struct Run {
    tasks: usize,
    length: Duration,
    seed: u64,
}

impl Run {
    async fn select<C: ConnectionTrait + Clone + Send + Sync + 'static>(
        &self,
        db: &C,
    ) -> Result<Sample> {
        let stop = Arc::new(AtomicBool::new(false));
        let (start, cpu_before) = (Instant::now(), cpu::used()?);
        let mut running = JoinSet::new();
        for task in 0..self.tasks {
            let seed = self.seed << 8 | task as u64;
            running.spawn(select_until(db.clone(), Arc::clone(&stop), seed));
        }
        tokio::time::sleep(self.length).await;
        stop.store(true, Relaxed);
        let mut statements = 0;
        while let Some(counted) = running.join_next().await {
            statements += counted??;
        }
        let (elapsed, cpu) = (start.elapsed(), cpu::used()?.saturating_sub(cpu_before));
        Ok(Sample {
            per_second: statements as f64 / elapsed.as_secs_f64(),
            cpu_micros: cpu.as_secs_f64() * 1e6 / statements as f64,
        })
    }
}

async fn select_until<C: ConnectionTrait>(db: C, stop: Arc<AtomicBool>, seed: u64) -> Result<u64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut statements = 0;
    while !stop.load(Relaxed) {
        let id = random.i64(1..=ROWS);
        Entity::find_by_id(id)
            .one(&db)
            .await?
            .ok_or("the row is not there")?;
        statements += 1;
    }
    Ok(statements)
}
