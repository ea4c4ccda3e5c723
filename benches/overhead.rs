//! What the router costs: the decision alone, its allocations, and point selects through it against a bare connection.
//!
//! `cargo bench --features bench --bench overhead [-- [--short] [--rounds N] [--slice 25ms] [--quick SECTION]…]` with the sections
//! `decision`, `allocations`, `sqlite`, `postgres` and `connect`. Everything that is compared runs in turn within each round, since two
//! runs one after the other differ by more than what is measured; a ratio is the median of the rounds' ratios, and the
//! bracket behind it is its 95 % interval. `bare again` is the control: what its ratio shows is noise. The last line is
//! for programs; a figure that was not measured is `-` there.
#![allow(clippy::print_stdout, reason = "a bench is there to print")]

#[path = "overhead/allocations.rs"]
mod allocations;
mod arguments;
#[path = "overhead/connect.rs"]
mod connect;
#[path = "overhead/cpu.rs"]
mod cpu;
#[path = "overhead/decision.rs"]
mod decision;
#[path = "overhead/entity.rs"]
mod entity;
#[path = "overhead/options.rs"]
mod options;
#[path = "overhead/ours.rs"]
mod ours;
#[path = "overhead/rounds.rs"]
mod rounds;
#[path = "overhead/select.rs"]
mod select;
#[path = "overhead/servers.rs"]
mod servers;
#[path = "overhead/summary.rs"]
mod summary;

use metrics_util::debugging::DebuggingRecorder;
use options::{Options, Section};
use summary::Summary;
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> Result<()> {
    let options = Options::read()?;
    // The figures are to hold with a recorder installed.
    DebuggingRecorder::new().install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut summary = Summary::default();
    measure(&options, &runtime, &mut summary)?;
    println!("{summary}");
    Ok(())
}

fn measure(options: &Options, runtime: &Runtime, summary: &mut Summary) -> Result<()> {
    if options.wants(Section::Sqlite) || options.wants(Section::Allocations) {
        let sqlite = servers::sqlite()?;
        runtime.block_on(entity::fill(&sqlite))?;
        if options.wants(Section::Allocations) {
            allocations::statements(&sqlite)?;
        }
        if options.wants(Section::Sqlite) {
            for tasks in [1, 8] {
                select::compare(options, runtime, &sqlite, tasks)?;
            }
        }
    }
    if [
        Section::Decision,
        Section::Allocations,
        Section::Postgres,
        Section::Connect,
    ]
    .iter()
    .any(|s| options.wants(*s))
    {
        let postgres = servers::postgres()?;
        runtime.block_on(entity::fill(&postgres))?;
        if options.wants(Section::Decision) {
            let figures = decision::compare(options, runtime, &postgres)?;
            (summary.decision_ns, summary.decision_2t_ns) =
                (Some(figures.one_thread), Some(figures.two_threads));
        }
        if options.wants(Section::Allocations) {
            allocations::statements(&postgres)?;
            summary.allocations = Some(allocations::decisions(runtime, &postgres)?);
        }
        if options.wants(Section::Postgres) {
            summary.throughput_ratio_c1 =
                Some(select::compare(options, runtime, &postgres, 1)?.over_bare);
            let eight = select::compare(options, runtime, &postgres, 8)?;
            summary.throughput_ratio_c8 = Some(eight.over_bare);
            summary.over_defaults_c8 = Some(eight.over_defaults);
        }
        if options.wants(Section::Connect) {
            connect::compare(options, runtime, &postgres)?;
        }
    }
    Ok(())
}
