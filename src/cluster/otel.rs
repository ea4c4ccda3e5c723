//! What telemetry says of a cluster with each of its statements, worked out once (feature `otel`).

use std::sync::{Arc, OnceLock};

use sea_orm::DbBackend;

use crate::{
    config::{Config, Endpoints},
    intent::Summaries,
    metrics::Meters,
};

/// The cluster's part of every span and measurement.
pub(crate) struct Otel {
    pub(crate) endpoints: Endpoints,
    pub(crate) summaries: Summaries,
    /// The application's instruments; none before it has given them.
    pub(crate) meters: OnceLock<Arc<Meters>>,
}

impl Otel {
    pub(super) fn new(backend: DbBackend, config: &Config) -> Self {
        Self {
            endpoints: config.endpoints(),
            summaries: Summaries::new(backend),
            meters: OnceLock::new(),
        }
    }
}
