//! What the crate counts about itself: own padded atomics and log2 histograms, exported to the `metrics` facade.
//!
//! A statement pays for one relaxed addition per figure, on a cache line that its thread shares with nobody; it never
//! touches the facade. Handles of the facade were the other way: a counter would cost the same, but a histogram costs
//! eight times as much, every thread would write to one line, and a recorder installed after connect would have missed
//! everything before it. So the totals live here, and [`Exporter`] copies them out once a second and on demand.

mod counters;
mod exporter;
mod histogram;
mod names;
mod node;
#[cfg(feature = "otel")]
mod otel;
mod shard;
mod sums;

pub(crate) use exporter::Exporter;
pub(crate) use histogram::Histogram;
pub(crate) use names::{ClusterCounter, NodeCounter};
pub(crate) use node::{ClusterMetrics, Entered, NodeMetrics, StatementTimes};
#[cfg(feature = "otel")]
pub(crate) use otel::Meters;
pub(crate) use shard::{Sharded, shard, shards};
pub(crate) use sums::{ClusterSums, NodeSums, Observed, PoolSums};

#[cfg(test)]
pub(crate) use {
    counters::{StatementCounters, statement_at},
    histogram::Buckets,
    names::{ALL, Counted, Metric, MetricKind},
    shard::Padded,
};
