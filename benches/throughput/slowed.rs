//! Reads over three replicas, one of which takes ten times as long, though its health checks are answered as soon as those of the
//! others: what tells it is in flight, and how long statements take.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sealane::{RoutedConnection, StatementLimit};
use sealane_harness::Cluster;
use tokio::runtime::Runtime;

use crate::{
    Result,
    arm::{bare, routed},
    options::Options,
    rounds::{Estimate, interleave},
};

/// Connections to each replica, of a pool that is picked by hand.
const CONNECTIONS: u32 = 10;
const TASKS: usize = 12;
/// As long as a replica takes for a statement, and the slow one.
const TAKES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(20)];

/// What one arm did in one round.
struct Sample {
    per_second: f64,
    p50_millis: f64,
    p99_millis: f64,
    /// The slow replica's part of the statements.
    slow: f64,
}

/// A figure of a sample, with its name.
type Figure = (&'static str, fn(&Sample) -> f64);

/// How the replica is chosen.
#[derive(Clone)]
enum Reader {
    InTurn(Arc<[DatabaseConnection]>),
    Routed(Box<RoutedConnection>),
}

pub(crate) fn measure(options: &Options, runtime: &Runtime) -> Result<()> {
    let cluster = Cluster::builder().standbys(3).start()?;
    let (normal, slow) = (TAKES[0].as_secs_f64(), TAKES[1].as_secs_f64());
    let port = cluster.standby(0).addr().port();
    // A function that the configuration calls a read: asked outright, which server a session is on is none.
    cluster.primary().sql(&format!(
        "CREATE FUNCTION is_slow() RETURNS boolean STABLE LANGUAGE sql \
         AS $$ SELECT inet_server_port() = {port} $$"
    ))?;
    cluster.wait_caught_up()?;
    let sql = format!(
        "SELECT pg_sleep(CASE is_slow() WHEN true THEN {slow} ELSE {normal} END), is_slow()"
    );
    println!(
        "reads over three replicas, one of which takes {slow} s instead of {normal} s, {TASKS} tasks"
    );
    let samples = interleave(options.rounds, 2, |arm, _| {
        runtime.block_on(async {
            let reader = match arm {
                0 => {
                    let mut replicas = Vec::new();
                    for standby in cluster.standbys() {
                        replicas.push(bare(&standby.url(), CONNECTIONS).await?);
                    }
                    Reader::InTurn(replicas.into())
                }
                _ => {
                    let (db, _) =
                        routed(&cluster, Some(CONNECTIONS), StatementLimit::default()).await?;
                    Reader::Routed(Box::new(db))
                }
            };
            run(reader, &sql, options.slice).await
        })
    })?;
    let figures: [Figure; 4] = [
        ("statements a second", |one| one.per_second),
        ("median, ms", |one| one.p50_millis),
        ("99th percentile, ms", |one| one.p99_millis),
        ("share of the slow one", |one| one.slow),
    ];
    for (name, figure) in figures {
        let of = |arm: usize| samples[arm].iter().map(figure);
        let ratio = Estimate::of_ratios(of(1), of(0));
        let (hand, ours) = (Estimate::of(of(0)).median, Estimate::of(of(1)).median);
        println!("  {name:<24} in turn {hand:>9.3}  sealane {ours:>9.3}  of in turn {ratio}");
    }
    println!();
    Ok(())
}

async fn run(reader: Reader, sql: &str, slice: Duration) -> Result<Sample> {
    let begun = Instant::now();
    let running: Vec<_> = (0..TASKS)
        .map(|task| {
            let stmt = Statement::from_string(DbBackend::Postgres, sql);
            tokio::spawn(read(reader.clone(), stmt, task, begun + slice))
        })
        .collect();
    let mut times = Vec::new();
    for task in running {
        times.extend(task.await??);
    }
    let took = begun.elapsed();
    match reader {
        Reader::InTurn(replicas) => {
            for replica in replicas.iter() {
                replica.clone().close().await?;
            }
        }
        Reader::Routed(db) => db.close().await?,
    }
    let slow = times.iter().filter(|(_, slow)| *slow).count();
    let mut latencies: Vec<Duration> = times.iter().map(|(took, _)| *took).collect();
    latencies.sort_unstable();
    let at = |percent: usize| {
        let place = latencies.len().saturating_sub(1) * percent / 100;
        latencies
            .get(place)
            .copied()
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3
    };
    Ok(Sample {
        per_second: latencies.len() as f64 / took.as_secs_f64(),
        p50_millis: at(50),
        p99_millis: at(99),
        slow: slow as f64 / latencies.len().max(1) as f64,
    })
}

/// One task: how long each statement took, and whether the slow one answered.
async fn read(
    reader: Reader,
    stmt: Statement,
    task: usize,
    until: Instant,
) -> Result<Vec<(Duration, bool)>> {
    let mut times = Vec::new();
    let mut turn = task;
    while Instant::now() < until {
        let begun = Instant::now();
        let row = match &reader {
            Reader::InTurn(replicas) => {
                turn += 1;
                replicas[turn % replicas.len()]
                    .query_one_raw(stmt.clone())
                    .await?
            }
            Reader::Routed(db) => db.replica().query_one_raw(stmt.clone()).await?,
        };
        let slow = row.ok_or("no row")?.try_get_by_index(1)?;
        times.push((begun.elapsed(), slow));
    }
    Ok(times)
}
