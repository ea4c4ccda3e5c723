#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod words;

pub use config::{Builder, Config, ConfigError, NodeConfig, NodeUrl, Problem};
pub use words::{Intent, NodeId, Outcome, Reason, Role, Stage};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;
