//! Client-side read/write splitting for SeaORM 2.
#![forbid(unsafe_code)]

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the connection comes later")
)]
mod metrics;
mod words;

pub use words::{Intent, NodeId, Outcome, Reason, RetryCause, Role, Stage};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;
