//! Client-side read/write splitting for SeaORM 2.
#![forbid(unsafe_code)]

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the statement path that counts comes with the connection"
    )
)]
#[expect(unused_imports, reason = "as above")]
mod metrics;
mod words;

pub use words::{Intent, NodeId, Outcome, Reason, RetryCause, Role, Stage};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;
