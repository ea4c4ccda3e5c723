#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod intent;
mod words;

pub use intent::{Verdict, classify};
pub use words::{Intent, NodeId, Outcome, Reason, Role, Stage};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;
