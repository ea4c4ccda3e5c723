//! Plain data between counting and exporting: what was summed over the shards at one moment.
//!
//! The exporter sees nothing but this, so it can be tested without a node, and a node's pools are read by whoever owns
//! them.

use std::array;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use super::counters::STATEMENTS;
use super::histogram::Buckets;
use super::names::{
    CLUSTER_COUNTERS, COVERED_SECONDS, FAILURE_KINDS, Metric, NODE_COUNTERS, RETRY_CAUSES,
    STALE_WAIT_SECONDS, WITHOUT_PRIMARY_SECONDS,
};
use crate::vocabulary::{NodeId, Role};

/// What only rises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeTotals {
    pub(super) statements: [u64; STATEMENTS],
    pub(super) counters: [u64; NODE_COUNTERS],
    pub(super) retries: [u64; RETRY_CAUSES],
    pub(super) failures: [u64; FAILURE_KINDS],
    pub(super) running: Buckets,
    pub(super) acquiring: Buckets,
    /// How long after a capture it was known to be replayed.
    pub(crate) replaying: Buckets,
}

impl Default for NodeTotals {
    fn default() -> Self {
        Self {
            statements: array::from_fn(|_| 0),
            counters: [0; NODE_COUNTERS],
            retries: [0; RETRY_CAUSES],
            failures: [0; FAILURE_KINDS],
            running: Buckets::default(),
            acquiring: Buckets::default(),
            replaying: Buckets::default(),
        }
    }
}

impl NodeTotals {
    /// How long statements ran, from sending to the answer.
    #[must_use]
    pub(crate) fn running(&self) -> &Buckets {
        &self.running
    }

    /// How long statements waited for a connection.
    #[must_use]
    pub(crate) fn acquiring(&self) -> &Buckets {
        &self.acquiring
    }

    /// How many statements were counted, over all roles, intents and reasons.
    #[must_use]
    pub(crate) fn statements(&self) -> u64 {
        self.statements.iter().sum()
    }

    /// How many statements failed with this.
    #[cfg(feature = "otel")]
    #[must_use]
    pub(crate) fn failed(&self, kind: crate::vocabulary::FailureKind) -> u64 {
        self.failures[kind as usize]
    }

    /// One of the rare things.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn counted(&self, what: super::names::NodeCounter) -> u64 {
        self.counters[what as usize]
    }

    /// How often a statement was sent again because of this.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn retries(&self, cause: crate::vocabulary::RetryCause) -> u64 {
        self.retries[cause as usize]
    }
}

impl AddAssign<&Self> for NodeTotals {
    fn add_assign(&mut self, other: &Self) {
        fn add(mine: &mut [u64], theirs: &[u64]) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        add(&mut self.statements, &other.statements);
        add(&mut self.counters, &other.counters);
        add(&mut self.retries, &other.retries);
        add(&mut self.failures, &other.failures);
        self.running += &other.running;
        self.acquiring += &other.acquiring;
        self.replaying += &other.replaying;
    }
}

/// The connections of a node's pools, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolSums {
    /// Open.
    pub(crate) size: u64,
    /// Open and free.
    pub(crate) idle: u64,
    /// The most that may be open.
    pub(crate) max: u64,
}

impl PoolSums {
    /// Open and in use. The pool is read in two steps, so the difference may be off for a moment but not negative.
    #[must_use]
    pub(crate) fn used(self) -> u64 {
        self.size.saturating_sub(self.idle)
    }
}

impl AddAssign for PoolSums {
    fn add_assign(&mut self, other: Self) {
        self.size += other.size;
        self.idle += other.idle;
        self.max += other.max;
    }
}

/// One node at one moment.
#[derive(Clone, Debug)]
pub(crate) struct NodeSums {
    pub(crate) id: NodeId,
    /// The node's name. The next node with this name continues its series.
    pub(crate) label: Arc<str>,
    pub(crate) role: Role,
    pub(crate) in_flight: u64,
    /// How many statements it is given at a time.
    pub(crate) statement_limit: u64,
    pub(crate) pool: PoolSums,
    pub(crate) observed: Observed,
    pub(crate) totals: NodeTotals,
}

/// What probes have found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    pub(crate) healthy: bool,
    /// Whether the node serves reads as a replica, or why not, as the metric's label says it.
    pub(crate) eligible: &'static str,
    pub(crate) lag: Option<Duration>,
    pub(crate) bytes: Option<u64>,
}

/// The cluster at one moment; its nodes are those of the snapshot and those that still drain.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterSums {
    pub(crate) nodes: Vec<NodeSums>,
    pub(crate) counters: [u64; CLUSTER_COUNTERS],
    pub(crate) open_writes: u64,
    pub(crate) tracked_tasks: u64,
    pub(crate) epoch: u64,
    pub(crate) has_primary: bool,
    pub(crate) asleep: bool,
    pub(crate) waiters: u64,
    pub(crate) retry_budget: u64,
    /// How long there was no primary, each time.
    pub(crate) without_primary: Buckets,
    /// How long reads waited for a replica.
    pub(crate) stale_waits: Buckets,
    /// How long writes waited for the capture that covers them.
    pub(crate) covering: Buckets,
}

impl ClusterSums {
    /// The histograms that are of no node, and what they are called.
    pub(super) fn histograms(&self) -> [(&'static Metric, &Buckets); 3] {
        [
            (&WITHOUT_PRIMARY_SECONDS, &self.without_primary),
            (&STALE_WAIT_SECONDS, &self.stale_waits),
            (&COVERED_SECONDS, &self.covering),
        ]
    }
}
