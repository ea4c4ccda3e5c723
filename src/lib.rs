#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types
)]

#[cfg(not(any(feature = "postgres", feature = "mysql", feature = "sqlite")))]
compile_error!("sealane needs a backend: enable one of the features `postgres`, `mysql`, `sqlite`");

mod backend;
#[doc(hidden)]
pub mod bench;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL gives positions")
)]
mod clock;
mod cluster;
mod config;
mod connection;
pub mod drop_in;
mod error;
mod explain;
mod intent;
mod metrics;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL gives positions")
)]
mod node;
mod pin;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the write clock will be the first to use it"
    )
)]
mod position;
mod route;
mod signal;
mod snapshot;
mod state;
mod words;

pub use cluster::{Cluster, NodeStatus, Replaced, Topology};
pub use config::{Builder, Config, ConfigError, NodeConfig, NodeUrl, Problem};
#[cfg(feature = "stream")]
pub use connection::RoutedStream;
pub use connection::{RoutedConnection, transaction::RoutedTransaction};
pub use error::Error;
pub use explain::Explanation;
pub use intent::{Verdict, classify};
pub use words::{Consistency, Intent, NodeId, Outcome, Reason, RetryCause, Role, Stage};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;
