//! `sealane doctor`: starts as an application does, asks every node, and says what is wrong and what to do.
//!
//! What the library itself would log is a part of the findings, in its words: whoever reads an application's log finds the
//! same lines there.

mod findings;
mod heard;
mod report;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use sealane::{Config, ConfigError, RoutedConnection};
use tokio::runtime;

use self::{
    findings::{Finding, Level, Picture},
    heard::Heard,
    report::DoctorReport,
};

/// How many connections a node is asked on at a time: one name may have several servers behind it.
const ASKED_AT_A_TIME: usize = 3;

/// The arguments of `sealane doctor`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What stands before the names of the variables, as in BILLING_DATABASE_URL: `BILLING_`.
    #[arg(long, default_value = "")]
    prefix: String,

    /// One JSON object instead of a table and lines.
    #[arg(long)]
    json: bool,

    /// Warnings end the command with 1 as well.
    #[arg(long)]
    strict: bool,

    /// The time for which it listens to what the nodes show of themselves, as 500ms or 10s.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    watch: Duration,
}

/// Looks, and prints what it has found.
pub(crate) fn run(arguments: &Arguments, mut output: impl Write) -> io::Result<ExitCode> {
    let report = match Config::from_env_with_prefix(&arguments.prefix) {
        Ok(config) => runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(examine(config, arguments.watch)),
        Err(err) => DoctorReport::of_findings(misconfigured(&err)),
    };
    match arguments.json {
        true => report.write_json(&mut output)?,
        false => report.write_text(&mut output)?,
    }
    output.flush()?;
    let bound = if arguments.strict {
        Level::Warning
    } else {
        Level::Error
    };
    Ok(ExitCode::from(u8::from(report.worst() >= Some(bound))))
}

/// Each thing that is wrong with the variables.
fn misconfigured(err: &ConfigError) -> Vec<Finding> {
    let problems = err.problems().iter();
    let finding = |problem: &sealane::Problem| Finding {
        level: Level::Error,
        node: None,
        text: problem.to_string(),
    };
    problems.map(finding).collect()
}

/// Meets the cluster.
async fn examine(mut config: Config, watch: Duration) -> DoctorReport {
    let heard = Heard::listen();
    // A primary that is down is a finding; the rest is looked at all the same.
    config.start_without_primary = true;
    // What is looked at does not fall asleep meanwhile, for want of statements.
    config.idle_after = None;
    let db = match RoutedConnection::connect(config).await {
        Ok(db) => db,
        Err(err) => {
            let text = err.to_string();
            let stopped = Finding {
                level: Level::Error,
                node: None,
                text,
            };
            let mut findings = findings::of_lines(heard.lines());
            findings.insert(0, stopped);
            return DoctorReport::of_findings(findings);
        }
    };
    let cluster = db.cluster();
    let asked = (0..ASKED_AT_A_TIME).map(|_| cluster.inspect());
    let earlier = futures_util::future::join_all(asked).await;
    tokio::time::sleep(watch).await;
    let picture = Picture {
        // A handle that is connected is asked without an error.
        nodes: cluster.inspect().await.unwrap_or_default(),
        earlier: earlier.into_iter().flatten().flatten().collect(),
        topology: cluster.topology(),
        lines: heard.lines(),
    };
    let _ = db.close().await;
    DoctorReport::of(picture)
}
