//! Point selects through SeaORM: the router against a bare connection, with the same pools and with SeaORM's defaults.
//!
//! Every arm has a pool of its own, new in every round: two equal pools that live for the whole run differ by up to a
//! tenth on a busy machine, because each is bound to its server processes and those to a core. Within a round all read
//! the same keys in the same order. What is counted is what happens between two moments while all tasks run and are
//! warm: neither opening connections nor the last statements count, and no task asks the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, EntityTrait};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::entity::{Entity, ROWS};
use crate::options::Options;
use crate::ours;
use crate::rounds::{Estimate, interleave};
use crate::servers::{self, Servers};
use crate::{Result, cpu};

/// The medians that the last line tells.
pub(crate) struct Ratios {
    pub(crate) over_bare: f64,
    pub(crate) over_defaults: f64,
}

/// The arms, in the order of the table.
#[derive(Clone, Copy)]
enum Arm {
    Bare,
    BareAgain,
    Ours,
    Defaults,
}

const ARMS: [(&str, Arm); 4] = [
    ("bare, same options", Arm::Bare),
    ("bare again (control)", Arm::BareAgain),
    ("routed", Arm::Ours),
    ("SeaORM's defaults", Arm::Defaults),
];

/// One arm in one round.
struct Sample {
    per_second: f64,
    cpu_micros: f64,
}

/// How many statements each task runs before anything is counted.
const WARM_UP: u32 = 50;

/// Measures and prints one table.
pub(crate) fn compare(
    options: &Options,
    runtime: &Runtime,
    servers: &Servers,
    tasks: usize,
) -> Result<Ratios> {
    let samples = interleave(options.rounds, ARMS.len(), |arm, round| {
        let run = Run {
            tasks,
            length: options.select,
            seed: round as u64,
        };
        runtime.block_on(async {
            match ARMS[arm].1 {
                Arm::Bare | Arm::BareAgain => run.select(servers::bare(servers).await?).await,
                Arm::Ours => run.select(ours::connect(servers).await?).await,
                Arm::Defaults => run.select(servers::defaults(servers).await?).await,
            }
        })
    })?;
    let ratio = |arm: Arm, under: Arm, figure: fn(&Sample) -> f64| {
        let (arm, under) = (arm as usize, under as usize);
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
    for (name, arm) in ARMS {
        println!(
            "  {name:<22}{:>12.0}  {:<24}{:>10.2}  {:<24}",
            Estimate::of(samples[arm as usize].iter().map(Sample::per_second)).median,
            ratio(arm, Arm::Bare, Sample::per_second).to_string(),
            Estimate::of(samples[arm as usize].iter().map(Sample::cpu_micros)).median,
            ratio(arm, Arm::Bare, Sample::cpu_micros).to_string(),
        );
    }
    let over_defaults = ratio(Arm::Ours, Arm::Defaults, Sample::per_second);
    println!("  {:<22}{:>12}  {over_defaults}\n", "routed / defaults", "");
    Ok(Ratios {
        over_bare: ratio(Arm::Ours, Arm::Bare, Sample::per_second).median,
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
    async fn select<C>(&self, db: C) -> Result<Sample>
    where
        C: ConnectionTrait + Clone + Send + Sync + 'static,
    {
        let shared = Arc::new(Shared {
            warm: Barrier::new(self.tasks + 1),
            stop: AtomicBool::new(false),
            done: AtomicU64::new(0),
        });
        let mut running = JoinSet::new();
        for task in 0..self.tasks {
            let seed = self.seed << 8 | task as u64;
            running.spawn(select_until(db.clone(), Arc::clone(&shared), seed));
        }
        tokio::select! {
            _ = shared.warm.wait() => {}
            Some(failed) = running.join_next() => failed??,
        }
        let from = Moment::now(&shared)?;
        tokio::time::sleep(self.length).await;
        let to = Moment::now(&shared)?;
        shared.stop.store(true, Relaxed);
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        let statements = (to.done - from.done) as f64;
        Ok(Sample {
            per_second: statements / (to.at - from.at).as_secs_f64(),
            cpu_micros: (to.cpu - from.cpu).as_secs_f64() * 1e6 / statements,
        })
    }
}

/// What the tasks of one arm share.
struct Shared {
    warm: Barrier,
    stop: AtomicBool,
    /// One addition a statement, the same for every arm.
    done: AtomicU64,
}

struct Moment {
    at: Instant,
    cpu: Duration,
    done: u64,
}

impl Moment {
    fn now(shared: &Shared) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            cpu: cpu::used()?,
            done: shared.done.load(Relaxed),
        })
    }
}

async fn select_until<C: ConnectionTrait>(db: C, shared: Arc<Shared>, seed: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..WARM_UP {
        select_one(&db, &mut random).await?;
    }
    shared.warm.wait().await;
    while !shared.stop.load(Relaxed) {
        select_one(&db, &mut random).await?;
        shared.done.fetch_add(1, Relaxed);
    }
    Ok(())
}

async fn select_one<C: ConnectionTrait>(db: &C, random: &mut fastrand::Rng) -> Result<()> {
    let id = random.i64(1..=ROWS);
    Entity::find_by_id(id)
        .one(db)
        .await?
        .ok_or("the row is not there")?;
    Ok(())
}
