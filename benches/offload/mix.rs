//! Sessions that read and write rows of their own, and look whether what they read is as new as what they wrote.

use std::{
    fmt,
    time::{Duration, Instant},
};

use fastrand::Rng;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sealane::{OnStale, RoutedConnection};

use crate::{Result, heard::Heard, options::Options};

const SESSIONS: i64 = 16;
/// Rows of each session.
const ROWS: i64 = 4;

/// Which handle a session uses.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// The plain one.
    Process(OnStale),
    /// One of its own.
    Sessions(OnStale),
}

/// What came of one mix.
pub(crate) struct Figures {
    reads: (u64, u64),
    writes: u64,
    pub(crate) stale: u64,
    /// How long reads waited, writes were not covered, captures not known to be replayed.
    times: [Vec<f64>; 3],
    took: Duration,
}

impl Figures {
    /// The share of the reads that replicas served.
    pub(crate) fn share(&self) -> f64 {
        let (primary, replica) = self.reads;
        replica as f64 / (primary + replica).max(1) as f64
    }

    /// The median and the 99th percentile of the waits, in microseconds.
    pub(crate) fn waits(&self) -> (f64, f64) {
        quantiles(&self.times[0])
    }
}

/// The median and the 99th percentile, in microseconds.
fn quantiles(sorted: &[f64]) -> (f64, f64) {
    let at = |percent: usize| {
        let place = sorted.len().saturating_sub(1) * percent / 100;
        sorted.get(place).map_or(0.0, |wait| wait * 1e6)
    };
    (at(50), at(99))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (primary, replica) = self.reads;
        write!(
            f,
            "{:.3} of {} reads on replicas, {} writes, stale {}, {:.0}/s",
            self.share(),
            primary + replica,
            self.writes,
            self.stale,
            (primary + replica + self.writes) as f64 / self.took.as_secs_f64(),
        )?;
        for (name, times) in ["waited", "covered", "replayed"].iter().zip(&self.times) {
            let (p50, p99) = quantiles(times);
            if !times.is_empty() {
                write!(
                    f,
                    "; {} {name}, p50 {p50:.0} us, p99 {p99:.0} us",
                    times.len()
                )?;
            }
        }
        Ok(())
    }
}

/// Fresh rows, all zero.
pub(crate) async fn prepare(db: &RoutedConnection) -> Result<()> {
    db.execute_unprepared("DROP TABLE IF EXISTS mine; CREATE TABLE mine (key bigint PRIMARY KEY, value bigint NOT NULL)")
        .await?;
    let rows = SESSIONS * ROWS;
    let fill = format!("INSERT INTO mine SELECT key, 0 FROM generate_series(0, {rows} - 1) AS key");
    db.execute_unprepared(&fill).await?;
    Ok(())
}

pub(crate) async fn run(
    db: &RoutedConnection,
    (kind, think): (Kind, Duration),
    options: &Options,
    heard: &Heard,
) -> Result<Figures> {
    // What the filling left behind is over: the catalog is read, the first position is known.
    tokio::time::sleep(Duration::from_millis(300)).await;
    heard.reads();
    heard.times(db).await?;
    let begun = Instant::now();
    let until = begun + options.length;
    let tasks: Vec<_> = (0..SESSIONS)
        .map(|session| {
            let handle = match kind {
                Kind::Process(on_stale) => db.with_on_stale(on_stale),
                Kind::Sessions(on_stale) => db.session().with_on_stale(on_stale),
            };
            let rng = Rng::with_seed(options.seed.wrapping_add(session.unsigned_abs()));
            tokio::spawn(one(handle, session, rng, (until, think)))
        })
        .collect();
    let (mut writes, mut stale) = (0, 0);
    for task in tasks {
        let (written, missed) = task.await??;
        writes += written;
        stale += missed;
    }
    let took = begun.elapsed();
    Ok(Figures {
        reads: heard.reads(),
        writes,
        stale,
        times: heard.times(db).await?,
        took,
    })
}

/// One session: how much it wrote, and how often it read less than that.
async fn one(
    db: RoutedConnection,
    session: i64,
    mut rng: Rng,
    (until, think): (Instant, Duration),
) -> Result<(u64, u64)> {
    let mut values = [0_i64; 4];
    let (mut writes, mut stale) = (0, 0);
    while Instant::now() < until {
        let thought = think.mul_f64(2.0 * rng.f64());
        if !thought.is_zero() {
            tokio::time::sleep(thought).await;
        }
        let row = rng.usize(..values.len());
        let key = session * ROWS + i64::try_from(row)?;
        if rng.u32(..100) < 10 {
            let update = "UPDATE mine SET value = value + 1 WHERE key = $1";
            db.execute_raw(Statement::from_sql_and_values(
                DbBackend::Postgres,
                update,
                [key.into()],
            ))
            .await?;
            values[row] += 1;
            writes += 1;
        } else {
            let select = "SELECT value FROM mine WHERE key = $1";
            let found = db
                .query_one_raw(Statement::from_sql_and_values(
                    DbBackend::Postgres,
                    select,
                    [key.into()],
                ))
                .await?
                .ok_or("the row is gone")?;
            let value: i64 = found.try_get_by_index(0)?;
            stale += u64::from(value < values[row]);
        }
    }
    Ok((writes, stale))
}
