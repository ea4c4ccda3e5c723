//! What users read and see: errors for bad input, no secret anywhere, metrics and traces, the types in their hands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is its report"
)]

mod bad_input;
mod canary;
mod capture;
mod clusters;
mod fixture;
mod metrics_live;
mod page;
mod quiet;
mod run_time;
mod surface;
mod typed;
mod unreachable;
