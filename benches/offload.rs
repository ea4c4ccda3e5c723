//! What read-your-writes costs the replicas: the share of reads that they serve, by scope, and what writers pay for it.
//!
//! `cargo bench --bench offload [-- [--short] [--seed N] [--seconds N] [--think 2ms] [--pairs N]]`. A primary and two
//! streaming standbys; 16 sessions, each a seeded random mix of 90 % reads and 10 % writes on rows of its own, with a
//! moment of thought between; every read is held against what its session wrote last. The same as fast as they can is
//! printed as well: then the servers and the client share saturated cores, a statement takes as long as it waits for
//! one of them, and so does the news of a position. Then writers with and without tracking, in turn; a
//! ratio is the median of the pairs' ratios, with its 95 % interval. The last line is for programs.
#![allow(clippy::print_stdout, reason = "a bench is there to print")]

mod arguments;
#[path = "offload/decision.rs"]
mod decision;
#[path = "offload/heard.rs"]
mod heard;
#[path = "offload/mix.rs"]
mod mix;
#[path = "offload/options.rs"]
mod options;
#[path = "overhead/rounds.rs"]
mod rounds;
#[path = "offload/writers.rs"]
mod writers;

use std::time::Duration;

use heard::Heard;
use options::Options;
use sea_orm::ConnectionTrait;
use sealane::{OnStale, RoutedConnection};
use sealane_harness::Cluster;
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> Result<()> {
    let options = Options::read()?;
    let heard = Heard::install()?;
    let cluster = Cluster::builder().standbys(2).start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    println!("seed {}", options.seed);
    let servers = Servers(&cluster);
    for database in ["offload", "pinned"] {
        cluster.create_database(database)?;
    }
    // Without its position only the time pin is left.
    let hide = "ALTER FUNCTION pg_catalog.pg_current_wal_insert_lsn() RENAME TO hidden";
    cluster.primary().sql_in("pinned", hide)?;

    let measure = |name, database, kind, think| -> Result<mix::Figures> {
        let db = runtime.block_on(servers.connect(database))?;
        runtime.block_on(mix::prepare(&db))?;
        cluster.wait_caught_up()?;
        let figures = runtime.block_on(mix::run(&db, (kind, think), &options, &heard))?;
        println!("  {name:<44}{figures}");
        Ok(figures)
    };
    let kinds = [
        ("2 s pin", "pinned", mix::Kind::Process(OnStale::Primary)),
        ("process", "offload", mix::Kind::Process(OnStale::Primary)),
        (
            "process, wait 10 ms",
            "offload",
            mix::Kind::Process(OnStale::Wait),
        ),
        ("sessions", "offload", mix::Kind::Sessions(OnStale::Primary)),
        (
            "sessions, wait 10 ms",
            "offload",
            mix::Kind::Sessions(OnStale::Wait),
        ),
    ];
    let length = options.length.as_secs();
    let mut all = Vec::new();
    for (think, how) in [
        (Duration::ZERO, "as fast as they can"),
        (options.think, "with thought between"),
    ] {
        println!("16 sessions, 90 % reads, {how}, {length} s each");
        all.clear();
        for (name, database, kind) in kinds {
            all.push(measure(name, database, kind, think)?);
        }
    }
    let write_ratio = writes(&runtime, &servers, &options)?;

    let [pin, process, process_wait, session, session_wait] = &all[..] else {
        return Err("a mix is missing".into());
    };
    let stale: u64 = all.iter().map(|figures| figures.stale).sum();
    let (p50, p99) = session_wait.waits();
    println!(
        "offload pin={:.3} process={:.3} process_wait={:.3} session={:.3} session_wait={:.3} \
         wait_p50_us={p50:.0} wait_p99_us={p99:.0} stale={stale} write_ratio={write_ratio:.3}",
        pin.share(),
        process.share(),
        process_wait.share(),
        session.share(),
        session_wait.share(),
    );
    Ok(())
}

/// The greatest of the medians over both numbers of writers.
fn writes(runtime: &Runtime, servers: &Servers<'_>, options: &Options) -> Result<f64> {
    let db = runtime.block_on(servers.connect("offload"))?;
    decision::compare(runtime, &db, options)?;
    println!(
        "median latency of a write, tracked over untracked; {} pairs",
        options.pairs
    );
    let mut worst = f64::MIN;
    for count in [1, 16] {
        let compared = writers::compare(runtime, &db, count, options)?;
        println!("  {count:>2} writers{:<33}{}", "", compared.tracked);
        println!("  {:<44}{}", "   untracked again", compared.again);
        worst = worst.max(compared.tracked.median);
    }
    Ok(worst)
}

struct Servers<'a>(&'a Cluster);

impl Servers<'_> {
    async fn connect(&self, database: &str) -> Result<RoutedConnection> {
        let replicas = self.0.standbys().iter().map(|node| node.url_of(database));
        let db = RoutedConnection::builder()
            .primary(self.0.primary().url_of(database))
            .replicas(replicas)
            .max_connections(16)
            .min_connections(16)
            .pin(Duration::from_secs(2))
            .connect()
            .await?;
        db.execute_unprepared("SELECT 1").await?;
        Ok(db)
    }
}
