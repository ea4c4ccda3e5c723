//! What a writer pays for being tracked: the median latency of its writes, with and without, in turn.

use std::time::Instant;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sealane::RoutedConnection;
use tokio::runtime::Runtime;

use crate::{
    Result,
    options::Options,
    rounds::{Estimate, interleave},
};

pub(crate) struct Compared {
    pub(crate) tracked: Estimate,
    /// The control: what its ratio shows is noise.
    pub(crate) again: Estimate,
}

/// So many writers at once, each on a row of its own.
pub(crate) fn compare(
    runtime: &Runtime,
    db: &RoutedConnection,
    count: i64,
    options: &Options,
) -> Result<Compared> {
    let untracked = db.untracked();
    let arms = [untracked.clone(), db.clone(), untracked];
    let samples = interleave(options.pairs, arms.len(), |arm, _| {
        runtime.block_on(slice(&arms[arm], count, options))
    })?;
    let over = |arm: usize| {
        let (over, under) = (samples[arm].iter().copied(), samples[0].iter().copied());
        Estimate::of_ratios(over, under)
    };
    Ok(Compared {
        tracked: over(1),
        again: over(2),
    })
}

/// The median latency of a slice, in seconds.
async fn slice(db: &RoutedConnection, count: i64, options: &Options) -> Result<f64> {
    let until = Instant::now() + options.slice;
    let writers: Vec<_> = (0..count)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < until {
                    let update = "UPDATE mine SET value = value + 1 WHERE key = $1";
                    let stmt = Statement::from_sql_and_values(
                        DbBackend::Postgres,
                        update,
                        [writer.into()],
                    );
                    let begun = Instant::now();
                    db.execute_raw(stmt).await?;
                    latencies.push(begun.elapsed().as_secs_f64());
                }
                Ok::<_, crate::Error>(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.await??);
    }
    latencies.sort_by(f64::total_cmp);
    latencies
        .get(latencies.len() / 2)
        .copied()
        .ok_or_else(|| "nobody wrote".into())
}
