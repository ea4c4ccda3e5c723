//! Client-side read/write splitting for SeaORM 2.
#![forbid(unsafe_code)]

mod words;

pub use words::{Intent, NodeId, Outcome, Reason, Role, Stage};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;
