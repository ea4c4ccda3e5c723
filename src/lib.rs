#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
#[cfg(feature = "bench")]
pub mod bench;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL gives positions")
)]
mod causality;
mod cluster;
mod config;
mod connection;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite has no logins")
)]
mod credentials;
mod dispatch;
pub mod drop_in;
mod error;
mod explain;
mod intent;
mod metrics;
#[cfg(feature = "tower")]
pub mod middleware;
mod mutants;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL gives positions")
)]
mod node;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL gives positions")
)]
mod position;
mod positions;
mod route;
mod signal;
mod snapshot;
mod span;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod vocabulary;

pub use cluster::{
    Cluster, ClusterEvent, ClusterEvents, ClusterSignal, Health, KeptOnPrimary, NodeInspection,
    NodeStatus, ServerDetails, ShadowReport, Topology, TopologyChange, Unrecognised,
};
pub use config::{
    Builder, Config, ConfigError, Discovery, NodeConfig, NodeUrl, ParseDiscoveryError, Problem,
};
#[cfg(feature = "stream")]
pub use connection::RoutedStream;
pub use connection::{
    RetryPolicy, RoutedConnection, pause::PausedWrites, scope, transaction::RoutedTransaction,
};
pub use credentials::{Credentials, CredentialsProvider, CredentialsRequest};
pub use error::{Error, LastSwitch, Report, ReportedNode, causes};
pub use explain::Explanation;
pub use intent::{Verdict, classify};
pub use position::{Bookmark, ParseBookmarkError};
pub use route::NotSent;
pub use vocabulary::{
    Consistency, EjectionCause, Failover, FailureKind, FenceReason, Flavour, HealthState,
    Ineligible, Intent, Mode, NodeId, OnConflict, OnStale, Outcome, ParseWordError, Reason,
    RetryCause, Role, Scope, Stage, StatementLimit,
};

#[cfg(test)]
#[path = "../tests/pure/mod.rs"]
mod pure;

/// What the pages show in Rust compiles, and runs where it needs no server.
#[cfg(all(doctest, feature = "sqlite"))]
mod pages {
    #[doc = include_str!("../docs/adopting.md")]
    struct Adopting;

    #[doc = include_str!("../docs/configuration.md")]
    struct Configuration;

    #[cfg(feature = "postgres")]
    #[doc = include_str!("../docs/credentials.md")]
    struct CredentialsPage;

    #[doc = include_str!("../docs/failover.md")]
    struct FailoverPage;

    #[doc = include_str!("../docs/from-seaorm.md")]
    struct FromSeaorm;

    #[doc = include_str!("../docs/health.md")]
    struct HealthPage;

    #[cfg(feature = "otel")]
    #[doc = include_str!("../docs/opentelemetry.md")]
    struct OpenTelemetryPage;

    #[doc = include_str!("../docs/read-your-writes.md")]
    struct ReadYourWrites;

    #[doc = include_str!("../docs/routing.md")]
    struct RoutingPage;

    #[cfg(feature = "postgres")]
    #[doc = include_str!("../docs/tenants.md")]
    struct Tenants;

    #[doc = include_str!("../docs/testing.md")]
    struct Testing;

    #[doc = include_str!("../docs/tuning.md")]
    struct Tuning;
}
