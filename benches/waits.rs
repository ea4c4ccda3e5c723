//! How long a read waits for what its session has just written (`SEALANE_ON_STALE=wait`): through `WAIT FOR LSN`, which
//! PostgreSQL has from 19 on, and through polling, against the same standby in turn.
//!
//! `SEALANETEST_PG_BIN=$(tests/postgres 19) cargo bench --features bench --bench waits [-- [--short] [--rounds N]
//! [--reads N]]`. Two databases of one primary and one standby; in that of the polling arm the server says that it is an older
//! version, which is all that the client goes by. Each turn opens a handle of its own: a write, and at once the read that has to
//! see it, again and again. Two ways to be behind: as fast as the log streams here, and with a delay of 20 ms before it is
//! replayed.
#![allow(clippy::print_stdout, reason = "a bench is there to print")]

mod arguments;
#[path = "offload/heard.rs"]
mod heard;
#[path = "overhead/rounds.rs"]
mod rounds;
#[path = "waits/turn.rs"]
mod turn;

use heard::Heard;
use rounds::{Estimate, interleave};
use sealane_harness::Cluster;
use turn::Turn;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// By database: what it waits through.
const ARMS: [(&str, &str); 2] = [("held", "WAIT FOR LSN"), ("polled", "polling")];

/// Lets the servers of a database say that they are a version without `WAIT FOR LSN`.
const OLDER: &str = "SET allow_system_table_mods = on; \
     CREATE OR REPLACE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS \
     $$ SELECT CASE $1 WHEN 'server_version_num' THEN '180000' ELSE pg_catalog.current_setting($1, false) END $$";

fn main() -> Result<()> {
    let (mut rounds, mut reads) = (None, None);
    let short = arguments::read(|argument, value| {
        match argument {
            "--rounds" => rounds = Some(value()?.parse()?),
            "--reads" => reads = Some(value()?.parse()?),
            _ => return Err(format!("no option `{argument}`: --short, --rounds, --reads").into()),
        }
        Ok(())
    })?;
    let (default_rounds, default_reads) = if short { (2, 20) } else { (11, 300) };
    let (rounds, reads) = (
        rounds.unwrap_or(default_rounds),
        reads.unwrap_or(default_reads),
    );
    let cluster = Cluster::builder().standbys(1).start()?;
    let version = cluster.primary().sql("SHOW server_version_num")?;
    if version.trim().parse::<u32>()? < 190_000 {
        return Err(format!(
            "{} has no WAIT FOR LSN: see the bench's first lines",
            version.trim()
        )
        .into());
    }
    for (database, _) in ARMS {
        cluster.create_database(database)?;
        let table = "CREATE TABLE mine (key bigint PRIMARY KEY, value bigint NOT NULL); INSERT INTO mine VALUES (1, 0)";
        cluster.primary().sql_in(database, table)?;
    }
    cluster.primary().sql_in("polled", OLDER)?;
    cluster.wait_caught_up()?;
    let heard = Heard::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    println!(
        "server {}, {rounds} rounds of {reads} reads each",
        version.trim()
    );
    for delay in ["0", "20ms"] {
        cluster.standby(0).sql(&format!(
            "ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'"
        ))?;
        cluster.standby(0).sql("SELECT pg_reload_conf()")?;
        let turns = interleave(rounds, ARMS.len(), |arm, _| {
            runtime.block_on(turn::take(&cluster, ARMS[arm].0, reads, &heard))
        })?;
        println!("replay delayed by {delay}");
        for ((_, name), turns) in ARMS.iter().zip(&turns) {
            println!("  {name:<14}{}", summary(turns));
        }
        let [held, polled] = &turns[..] else {
            return Err("an arm is missing".into());
        };
        for (what, of) in [("p50", 0), ("p99", 1)] {
            let ratio = Estimate::of_ratios(at(held, of), at(polled, of));
            println!("  {what} of the first over that of the second: {ratio:.2}");
        }
    }
    Ok(())
}

fn at(turns: &[Turn], of: usize) -> impl Iterator<Item = f64> {
    turns.iter().map(move |turn| turn.read[of])
}

/// The median of the rounds, and its interval.
fn summary(turns: &[Turn]) -> String {
    let [p50, p99] = [0, 1].map(|of| Estimate::of(at(turns, of)));
    let on_replica = Estimate::of(turns.iter().map(|turn| turn.on_replica)).median;
    let waited = Estimate::of(turns.iter().map(|turn| turn.waited)).median;
    format!(
        "read p50 {p50:.0} us, p99 {p99:.0} us; {on_replica:.3} on the replica, {waited:.3} waited"
    )
}
