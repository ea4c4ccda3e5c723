//! Spans and metrics as OpenTelemetry has them, through the crates that applications use, against the list of the conventions.
//!
//! A binary of its own: SQLite's driver closes spans on a thread of its own, so the subscriber has to be the process's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is its report"
)]

mod conventions;
mod failures;
mod metrics;
mod nodes;
mod recorder;
mod statements;
mod streams;
mod twice;
