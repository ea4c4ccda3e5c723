//! One turn of one arm: a handle of its own, and as many writes with their reads.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sealane::{OnStale, RoutedConnection};
use sealane_harness::Cluster;

use crate::{Result, heard::Heard};

/// Longer than any delay here, and so much that the time that reads may wait in all is not used up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The handle's first reads, which are not counted.
const FIRST: usize = 20;

/// What came of it.
pub(crate) struct Turn {
    /// The median and the 99th percentile of reads, in microseconds.
    pub(crate) read: [f64; 2],
    /// Which share of them the replica served, and which had to wait.
    pub(crate) on_replica: f64,
    pub(crate) waited: f64,
}

pub(crate) async fn take(
    cluster: &Cluster,
    database: &str,
    reads: usize,
    heard: &Heard,
) -> Result<Turn> {
    let db = RoutedConnection::builder()
        .primary(cluster.primary().url_of(database))
        .replica(cluster.standby(0).url_of(database))
        .on_stale(OnStale::Wait)
        .stale_wait(PATIENCE)
        .connect()
        .await?;
    let session = db.session();
    for _ in 0..FIRST {
        turn(&session).await?;
    }
    heard.reads();
    heard.times(&db).await?;
    let mut times = Vec::with_capacity(reads);
    for _ in 0..reads {
        times.push(turn(&session).await?.as_secs_f64() * 1e6);
    }
    let (primary, replica) = heard.reads();
    let [waits, ..] = heard.times(&db).await?;
    db.close().await?;
    times.sort_by(f64::total_cmp);
    Ok(Turn {
        read: [50, 99].map(|percent| times[(reads - 1) * percent / 100]),
        on_replica: replica as f64 / (primary + replica).max(1) as f64,
        waited: waits.len() as f64 / reads as f64,
    })
}

/// A write, and how long the read took that had to see it.
async fn turn(session: &RoutedConnection) -> Result<Duration> {
    let update = "UPDATE mine SET value = value + 1 WHERE key = 1 RETURNING value";
    let statement = |text| Statement::from_string(DbBackend::Postgres, text);
    let row = session.query_one_raw(statement(update)).await?;
    let written: i64 = row.ok_or("the row is gone")?.try_get_by_index(0)?;
    let begun = Instant::now();
    let row = session
        .query_one_raw(statement("SELECT value FROM mine WHERE key = 1"))
        .await?;
    let took = begun.elapsed();
    let seen: i64 = row.ok_or("the row is gone")?.try_get_by_index(0)?;
    match seen == written {
        true => Ok(took),
        false => Err(format!("{seen} was read, and {written} written").into()),
    }
}
