//! Mixed load: what the router costs and wins where an application reads and writes.
//!
//! `cargo bench --bench throughput [-- [--short] [--seed N] [--rounds N] [--slice 1s] [--tasks 1,8,32] [--only PART]…
//! [--plot FILE]]` with the parts `commit-on`, `commit-off`, `first-read`,
//! `scale` and `slowed`. A primary and two streaming standbys with a hundred
//! thousand rows; point selects and updates by key through SeaORM. `hand` is what an application does that picks the
//! pool itself, with a connection for each task: everything is divided by what it did in the same round. All arms take
//! turns within a round, since two runs one after the other differ by more than what is measured; a ratio is the median
//! of the rounds' ratios with its 95 % interval. `hand again` is the control: what its ratio shows is noise. A tenth of
//! the reads look at a row that the same task wrote, and are held against what it wrote. The last line is for programs;
//! what was not measured is `-` there.
#![allow(clippy::print_stdout, reason = "a bench is there to print")]

mod arguments;
#[path = "throughput/arm.rs"]
mod arm;
#[path = "throughput/counts.rs"]
mod counts;
#[path = "overhead/cpu.rs"]
mod cpu;
#[path = "throughput/first_read.rs"]
mod first_read;
#[path = "throughput/load.rs"]
mod load;
#[path = "throughput/options.rs"]
mod options;
#[path = "throughput/plot.rs"]
mod plot;
#[path = "overhead/rounds.rs"]
mod rounds;
#[path = "throughput/rows.rs"]
mod rows;
#[path = "throughput/scale.rs"]
mod scale;
#[path = "throughput/slowed.rs"]
mod slowed;
#[path = "throughput/summary.rs"]
mod summary;
#[path = "throughput/table.rs"]
mod table;

use counts::Counts;
use options::{Options, Part};
use sealane_harness::Cluster;
use summary::Summary;
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> Result<()> {
    let options = Options::read()?;
    println!("seed {}", options.seed);
    let counts = Counts::install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut summary = Summary::default();
    for (part, setting) in [(Part::CommitOn, "on"), (Part::CommitOff, "off")] {
        if options.wants(part) || (part == Part::CommitOn && options.wants(Part::FirstRead)) {
            let cluster = Cluster::builder()
                .standbys(2)
                .setting("synchronous_commit", setting)
                .start()?;
            runtime.block_on(rows::fill(&cluster))?;
            let bench = Bench {
                options: &options,
                runtime: &runtime,
                cluster: &cluster,
                counts: &counts,
            };
            if options.wants(part) {
                println!("synchronous_commit={setting}");
                table::measure(&bench, part, &mut summary)?;
            }
            if part == Part::CommitOn && options.wants(Part::FirstRead) {
                first_read::measure(&bench, &mut summary)?;
            }
        }
    }
    if options.wants(Part::Scale) {
        scale::measure(&options, &runtime, &mut summary)?;
    }
    if options.wants(Part::Slowed) {
        slowed::measure(&options, &runtime)?;
    }
    if let Some(file) = &options.plot {
        plot::draw(&summary.fields, file)?;
    }
    println!("{summary}");
    Ok(())
}

/// What every part of the bench needs.
struct Bench<'a> {
    options: &'a Options,
    runtime: &'a Runtime,
    cluster: &'a Cluster,
    counts: &'a Counts,
}
