//! Runs a command beside a primary and a streaming standby, and tells afterwards how many of SeaORM's reads each served.
//!
//! ```sh
//! cargo run -p sealane-harness --example servers -- [--delay MS] COMMAND [ARGS…]
//! ```
//!
//! The command finds the servers in `DATABASE_URL` (without a database) and `DATABASE_REPLICA_URLS`. `--delay` makes the
//! standby apply what it receives that much later.

use std::{env, process::Command, time::Duration};

use sealane_harness::{Cluster, Node};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1).peekable();
    let mut delay = Duration::ZERO;
    if arguments
        .next_if(|argument| argument == "--delay")
        .is_some()
    {
        let millis = arguments.next().ok_or("--delay needs milliseconds")?;
        delay = Duration::from_millis(millis.parse()?);
    }
    let program = arguments.next().ok_or("a command is missing")?;
    let connections = ("max_connections", "300");
    let cluster = Cluster::builder()
        .standbys(1)
        .setting(connections.0, connections.1)
        .start()?;
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    if !delay.is_zero() {
        standby.apply_delay(delay)?;
    }
    for node in cluster.nodes() {
        node.reset_statements()?;
    }
    let base = |node: &Node| node.url_of("").trim_end_matches('/').to_owned();
    let ended = Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", base(primary))
        .env("DATABASE_REPLICA_URLS", base(standby))
        .status()?;
    println!(
        "reads: primary {}, standby {}",
        reads(primary)?,
        reads(standby)?
    );
    let code = ended.code().unwrap_or(1);
    drop(cluster);
    std::process::exit(code);
}

/// What SeaORM has built: it quotes every name, and nobody else does here.
fn reads(node: &Node) -> sealane_harness::Result<u64> {
    let all = node.statements()?.into_iter();
    let built = all.filter(|one| one.query.starts_with("SELECT") && one.query.contains('"'));
    Ok(built.map(|one| one.calls).sum())
}
