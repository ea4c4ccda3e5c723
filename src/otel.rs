//! OpenTelemetry: a span for each statement, and the conventions' metrics (feature `otel`).
//!
//! The spans need nothing but a subscriber of `tracing` that hands them on, as the crate `tracing-opentelemetry` has one. The
//! metrics need the application's meter, by [`Cluster::measure`](crate::Cluster::measure). Both follow OpenTelemetry's
//! conventions for database clients; `docs/opentelemetry.md` lists each name.

mod pools;

use std::sync::Arc;

use opentelemetry::metrics::Meter;
use tracing::Metadata;

use crate::{
    Cluster, Error,
    metrics::Meters,
    span::{TARGET, is_inside},
};

/// Where the spans are from: their target in `tracing`, for filters.
pub const SPANS: &str = TARGET;

/// Whether something is to be recorded, for the filter of a layer that hands spans to OpenTelemetry. What would stand there
/// beside a statement's span is not:
///
/// - With its feature `tracing-spans` SeaORM makes a span of its own for what runs in a transaction, inside of ours. SeaORM's
///   other spans, of what runs on [`concrete()`](crate::RoutedConnection::concrete), are kept.
/// - The span in which a cluster's tasks write their log lines, which lasts as long as the cluster.
///
/// ```
/// use tracing_subscriber::{Layer, filter::dynamic_filter_fn, layer::SubscriberExt};
///
/// // In the place of `fmt::layer()`, whatever hands spans to OpenTelemetry.
/// let layer = tracing_subscriber::fmt::layer()
///     .with_filter(dynamic_filter_fn(|metadata, _| sealane::otel::once(metadata)));
/// let subscriber = tracing_subscriber::registry().with(layer);
/// # drop(subscriber);
/// ```
#[must_use]
pub fn once(metadata: &Metadata<'_>) -> bool {
    if !metadata.is_span() {
        return true;
    }
    let (name, target) = (metadata.name(), metadata.target());
    let clusters = name == "sealane" && target.starts_with("sealane::cluster");
    let seaorms = name.starts_with("sea_orm.") && target.starts_with("sea_orm");
    !(clusters || (seaorms && is_inside()))
}

impl Cluster {
    /// Measures this cluster's statements and pools with these instruments, as OpenTelemetry's conventions call them.
    ///
    /// A meter is given once: every later call does nothing, so that nothing counts twice. What is exported by the `metrics`
    /// facade (`sealane_…`) has other names and goes on.
    ///
    /// ```no_run
    /// # fn f(db: &sealane::RoutedConnection, provider: &impl opentelemetry::metrics::MeterProvider) -> Result<(), sealane::Error> {
    /// db.cluster().measure(&provider.meter("sealane"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Disconnected`].
    pub fn measure(&self, meter: &Meter) -> Result<(), Error> {
        let shared = self.shared()?;
        let mut is_first = false;
        shared.telemetry.otel.meters.get_or_init(|| {
            is_first = true;
            Arc::new(Meters::new(meter))
        });
        if is_first {
            pools::observe(shared, meter);
        }
        Ok(())
    }
}
