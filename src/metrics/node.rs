//! Everything that is counted for one node and for the cluster, in the shape that the statement path writes to.
//!
//! What each statement touches is sharded by thread; what happens seldom is one cell. A statement in flight is counted
//! in the shard where it began and leaves from there, also when its task has moved: so no cell falls below zero, and a
//! thread that balances by its own shard reads no line that another thread writes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::counters::{Counters, StatementCounters};
use super::histogram::{Buckets, Histogram};
use super::names::{
    CLUSTER_COUNTERS, ClusterCounter, FAILURE_KINDS, NODE_COUNTERS, NodeCounter, RETRY_CAUSES,
};
use super::shard::{Sharded, shard};
use super::sums::NodeTotals;
use crate::vocabulary::{FailureKind, Intent, Reason, RetryCause, Role};

/// What one thread writes about one node.
#[derive(Debug, Default)]
struct Hot {
    begun: AtomicU64,
    ended: AtomicU64,
    statements: StatementCounters,
    running: Histogram,
    acquiring: Histogram,
}

impl Hot {
    /// Never below zero: the ends are read first.
    fn in_flight(&self) -> u64 {
        let ended = self.ended.load(Relaxed);
        self.begun.load(Relaxed).saturating_sub(ended)
    }
}

/// Where a statement in flight is counted; given back to [`NodeMetrics::leave`] by the lease that holds it.
#[derive(Clone, Copy, Debug)]
#[must_use = "what entered has to leave"]
pub(crate) struct Entered(usize);

/// The counters of one node.
#[derive(Debug, Default)]
pub(crate) struct NodeMetrics {
    hot: Sharded<Hot>,
    counters: Counters<NodeCounter, NODE_COUNTERS>,
    retries: Counters<RetryCause, RETRY_CAUSES>,
    failures: Counters<FailureKind, FAILURE_KINDS>,
    failed: AtomicU64,
}

/// How long a node's statements took from sending to the answer, and how many of them failed.
#[derive(Debug, Default)]
pub(crate) struct StatementTimes {
    pub(crate) running: Buckets,
    pub(crate) failed: u64,
}

impl NodeMetrics {
    /// A statement, stream or transaction begins.
    #[inline]
    pub(crate) fn enter(&self) -> Entered {
        let shard = shard();
        self.hot.at(shard).begun.fetch_add(1, Relaxed);
        Entered(shard)
    }

    /// A statement, stream or transaction ends, on whatever thread.
    #[inline]
    pub(crate) fn leave(&self, entered: Entered) {
        self.hot.at(entered.0).ended.fetch_add(1, Relaxed);
    }

    /// How many of this thread's statements are in flight: what balancing reads, because the whole sum would bring
    /// every other thread's line here.
    #[inline]
    #[must_use]
    pub(crate) fn in_flight_here(&self) -> u64 {
        self.hot.local().in_flight()
    }

    /// How many are in flight in all.
    #[must_use]
    pub(crate) fn in_flight(&self) -> u64 {
        self.hot.iter().map(Hot::in_flight).sum()
    }

    /// How many have begun and how many of them have ended. Equal, nothing is in flight; the same number of ends at two
    /// looks, nothing was answered in between.
    #[must_use]
    pub(crate) fn progress(&self) -> (u64, u64) {
        let ended = self.hot.iter().map(|hot| hot.ended.load(Relaxed)).sum();
        let begun = self.hot.iter().map(|hot| hot.begun.load(Relaxed)).sum();
        (begun, ended)
    }

    /// Counts one statement that was routed here.
    #[inline]
    pub(crate) fn statement(&self, role: Role, intent: Intent, reason: Reason) {
        self.hot.local().statements.record(role, intent, reason);
    }

    /// Counts the time from sending to the answer.
    #[inline]
    pub(crate) fn ran(&self, duration: Duration) {
        self.hot.local().running.record(duration);
    }

    /// Counts the time that was waited for a connection.
    #[inline]
    pub(crate) fn acquired(&self, duration: Duration) {
        self.hot.local().acquiring.record(duration);
    }

    /// Counts one of the rare things.
    pub(crate) fn count(&self, what: NodeCounter) {
        self.counters.add(what);
    }

    /// Counts a statement that is sent again because it failed here.
    pub(crate) fn retry(&self, cause: RetryCause) {
        self.retries.add(cause);
    }

    /// Counts what a statement failed with here.
    pub(crate) fn failure(&self, kind: FailureKind) {
        self.failures.add(kind);
    }

    /// Counts a statement that failed here.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// What was answered so far.
    #[must_use]
    pub(crate) fn answered(&self) -> StatementTimes {
        let mut running = Buckets::default();
        for hot in self.hot.iter() {
            hot.running.sum_into(&mut running);
        }
        StatementTimes {
            running,
            failed: self.failed.load(Relaxed),
        }
    }

    /// What was counted so far, without what is only of the moment.
    #[must_use]
    pub(crate) fn totals(&self) -> NodeTotals {
        let mut totals = NodeTotals::default();
        for hot in self.hot.iter() {
            hot.statements.sum_into(&mut totals.statements);
            hot.running.sum_into(&mut totals.running);
            hot.acquiring.sum_into(&mut totals.acquiring);
        }
        self.counters.sum_into(&mut totals.counters);
        self.retries.sum_into(&mut totals.retries);
        self.failures.sum_into(&mut totals.failures);
        totals
    }
}

/// The counters of the cluster; sharded, because the cache is asked for every statement.
#[derive(Debug, Default)]
pub(crate) struct ClusterMetrics {
    counters: Sharded<Counters<ClusterCounter, CLUSTER_COUNTERS>>,
    /// How long reads waited for a replica that is fresh enough.
    pub(crate) stale_waits: Histogram,
    /// How long there was no primary.
    pub(crate) without_primary: Histogram,
}

impl ClusterMetrics {
    /// Counts one.
    #[inline]
    pub(crate) fn count(&self, what: ClusterCounter) {
        self.counters.local().add(what);
    }

    /// How often this was counted so far.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    #[must_use]
    pub(crate) fn counted(&self, what: ClusterCounter) -> u64 {
        self.counters
            .iter()
            .map(|counters| counters.get(what))
            .sum()
    }

    /// What was counted so far, by [`ClusterCounter`].
    #[must_use]
    pub(crate) fn totals(&self) -> [u64; CLUSTER_COUNTERS] {
        let mut totals = [0; CLUSTER_COUNTERS];
        for counters in self.counters.iter() {
            counters.sum_into(&mut totals);
        }
        totals
    }
}
