//! From a URL to a handle, and to the answer of its first statement: the router's, which asks every node what it is and reads the
//! catalog, against SeaORM's own.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use sealane::RoutedConnection;
use tokio::runtime::Runtime;

use crate::{
    Result,
    options::Options,
    rounds::{Estimate, interleave},
    servers::Servers,
};

/// How many connect in a round.
const EACH: u32 = 3;

struct Sample {
    handle: f64,
    answer: f64,
}

/// A figure of a sample, with its name.
type Figure = (&'static str, fn(&Sample) -> f64);

pub(crate) fn compare(options: &Options, runtime: &Runtime, servers: &Servers) -> Result<()> {
    let arms = ["bare", "sealane, no replica", "sealane, one replica"];
    let rounds = options.rounds.min(21);
    println!("connect, milliseconds, {rounds} rounds of {EACH}");
    let samples = interleave(rounds, arms.len(), |arm, _| {
        runtime.block_on(connect(servers, arm))
    })?;
    let figures: [Figure; 2] = [
        ("to a handle", |one| one.handle),
        ("to the first answer", |one| one.answer),
    ];
    for (arm, name) in arms.iter().enumerate() {
        for (what, figure) in figures {
            let of = |arm: usize| samples[arm].iter().map(figure);
            println!(
                "  {name:<22} {what:<20} {:>7.1}  over bare {}",
                Estimate::of(of(arm)).median,
                Estimate::of_ratios(of(arm), of(0))
            );
        }
    }
    println!();
    Ok(())
}

async fn connect(servers: &Servers, arm: usize) -> Result<Sample> {
    let (mut handle, mut answer) = (Duration::ZERO, Duration::ZERO);
    let stmt = Statement::from_string(DbBackend::Postgres, "SELECT 1");
    for _ in 0..EACH {
        let begun = Instant::now();
        if arm == 0 {
            let db = Database::connect(servers.primary.as_str()).await?;
            handle += begun.elapsed();
            db.query_one_raw(stmt.clone()).await?;
            answer += begun.elapsed();
            db.close().await?;
            continue;
        }
        let db = RoutedConnection::builder()
            .primary(servers.primary.as_str())
            .replicas(servers.replicas.iter().take(arm - 1).map(String::as_str))
            .connect()
            .await?;
        handle += begun.elapsed();
        db.query_one_raw(stmt.clone()).await?;
        answer += begun.elapsed();
        db.close().await?;
    }
    let millis = |sum: Duration| sum.as_secs_f64() * 1e3 / f64::from(EACH);
    Ok(Sample {
        handle: millis(handle),
        answer: millis(answer),
    })
}
