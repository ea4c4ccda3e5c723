//! The decision alone: cached intent, route, lease taken and dropped; no connection, no server.
//!
//! On two threads it is compared with the same work on two clusters, one for each thread: what that control loop costs
//! more than one thread does is the machine's part, and only the rest is shared state.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use tokio::runtime::Runtime;

use crate::Result;
use crate::entity::{TOUCH, point_select};
use crate::options::Options;
use crate::ours::{self, Ours};
use crate::rounds::{Estimate, interleave};
use crate::servers::{Servers, lazy};

/// What the last line tells, in nanoseconds.
pub(crate) struct Figures {
    pub(crate) one_thread: f64,
    pub(crate) two_threads: f64,
}

/// What one arm decides on.
enum Work {
    Clean(Ours),
    /// Each time after a write, so that the pin holds.
    Pinned(Ours),
    TwoThreads(Ours),
    TwoClusters(Ours, Ours),
}

/// A router over one primary and so many replicas, all of them lazy.
pub(crate) async fn cluster(servers: &Servers, replicas: usize) -> Result<Ours> {
    let mut nodes = Vec::with_capacity(replicas);
    for replica in 0..replicas {
        let url = servers.reader();
        let separator = if url.contains('?') { '&' } else { '?' };
        nodes.push(
            lazy(&format!(
                "{url}{separator}application_name=replica-{replica}"
            ))
            .await?,
        );
    }
    ours::over(lazy(&servers.primary).await?, nodes, &point_select()).await
}

/// How long so many decisions take.
fn elapsed(db: &Ours, sql: &str, count: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        drop(black_box(ours::decide(black_box(db), black_box(sql))));
    }
    start.elapsed()
}

/// Nanoseconds for one of `count` decisions.
pub(crate) fn time(db: &Ours, sql: &str, count: u32) -> f64 {
    elapsed(db, sql, count).as_nanos() as f64 / f64::from(count)
}

/// The same on two threads that begin together; the mean of both.
fn time_on_two(first: &Ours, second: &Ours, sql: &str, count: u32) -> f64 {
    let begin = Barrier::new(2);
    let run = |db: &Ours| {
        begin.wait();
        time(db, sql, count)
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| run(second));
        let mine = run(first);
        other.join().map_or(f64::NAN, |other| (mine + other) / 2.0)
    })
}

/// As many decisions as fill the time; finding out also warms the caches.
fn count_for(db: &Ours, sql: &str, length: Duration) -> u32 {
    const TRIED: u32 = 10_000;
    let took = elapsed(db, sql, TRIED).as_nanos().max(1);
    u32::try_from(length.as_nanos() * u128::from(TRIED) / took)
        .unwrap_or(u32::MAX)
        .max(TRIED / 10)
}

impl Work {
    fn run(&self, runtime: &Runtime, sql: &str, length: Duration) -> Result<f64> {
        Ok(match self {
            Self::Clean(db) => time(db, sql, count_for(db, sql, length)),
            Self::Pinned(db) => {
                runtime.block_on(db.execute_unprepared(TOUCH))?;
                time(db, sql, count_for(db, sql, length))
            }
            Self::TwoThreads(db) => time_on_two(db, db, sql, count_for(db, sql, length)),
            Self::TwoClusters(first, second) => {
                time_on_two(first, second, sql, count_for(first, sql, length))
            }
        })
    }
}

/// Measures and prints all decisions.
pub(crate) fn compare(options: &Options, runtime: &Runtime, servers: &Servers) -> Result<Figures> {
    let _context = runtime.enter();
    let sql = point_select();
    let of = |replicas| runtime.block_on(cluster(servers, replicas));
    let arms = [
        ("1 replica, clean", Work::Clean(of(1)?)),
        ("4 replicas, clean", Work::Clean(of(4)?)),
        ("16 replicas, clean", Work::Clean(of(16)?)),
        ("1 replica, pinned", Work::Pinned(of(1)?)),
        ("4 replicas, pinned", Work::Pinned(of(4)?)),
        ("16 replicas, pinned", Work::Pinned(of(16)?)),
        ("4 replicas, clean, 2 threads", Work::TwoThreads(of(4)?)),
        (
            "  control: a cluster for each",
            Work::TwoClusters(of(4)?, of(4)?),
        ),
    ];
    let samples = interleave(options.rounds, arms.len(), |arm, _| {
        arms[arm].1.run(runtime, &sql, options.decide)
    })?;
    println!(
        "decision, {} B of text, cached; {} rounds; ns",
        sql.len(),
        options.rounds
    );
    let all: Vec<_> = samples
        .iter()
        .map(|arm| Estimate::of(arm.iter().copied()))
        .collect();
    for ((name, _), estimate) in arms.iter().zip(&all) {
        println!("  {name:<32}{estimate:.1}");
    }
    let [.., shared, control] = &samples[..] else {
        return Err("no arms".into());
    };
    let ratio = Estimate::of_ratios(shared.iter().copied(), control.iter().copied());
    println!("  {:<32}{ratio:.3}\n", "2 threads / control");
    Ok(Figures {
        one_thread: all[1].median,
        two_threads: all[6].median,
    })
}
