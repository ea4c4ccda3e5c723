//! The figures that transitions and routing depend on, and an operator may change.
//!
//! All values are resolved: a default stands once, in its row of the configuration (`config::table`). What nobody may
//! change is a constant where it is used.

use std::sync::Arc;
use std::time::Duration;

use crate::vocabulary::Flavour;

/// The figures that transitions and routing depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// Off: everything on the primary.
    pub(crate) enabled: bool,
    /// The primary's share of reads while replicas live.
    pub(crate) primary_weight: u32,
    /// The preferred zone.
    pub(crate) zone: Option<Arc<str>>,
    /// Nodes slower than the fastest by more than this take no reads.
    pub(crate) latency_window: Duration,
    /// How many may wait for a node.
    pub(crate) waiters_limit: u32,
    /// The lag bound above which a replica takes no reads; none: any lag.
    pub(crate) max_lag: Option<Duration>,
    pub(crate) ejection: Ejection,
    /// Between two probes of a node that is well.
    pub(crate) check_interval: Duration,
    /// How long a removed node may finish what it runs.
    pub(crate) drain_timeout: Duration,
    pub(crate) failover: FailoverRules,
    /// Which system the servers are, where that is set.
    pub(crate) flavour: Flavour,
    /// How long a new node may take to give its first connection.
    pub(crate) warm_limit: Duration,
    /// How often the catalog is read, whatever happens; none: only for a reason.
    pub(crate) catalog_refresh: Option<Duration>,
}

/// The figures of the circuit breaker of a node: how it is ejected, probed meanwhile and taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ejection {
    /// The first back-off of an ejected node's probes.
    pub(crate) first_backoff: Duration,
    /// The cap of that back-off.
    pub(crate) max_backoff: Duration,
    /// After this long without an answer, what is in flight on an ejected node is ended.
    pub(crate) dead_after: Duration,
    /// How long a re-admitted node takes to its full weight.
    pub(crate) ramp_up: Duration,
}

/// Who may become the primary, and for how long one is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailoverRules {
    /// Roles follow from what servers say of themselves; off: they are as configured.
    pub(crate) enabled: bool,
    /// A greater epoch counts only with a witness (T3).
    pub(crate) confirmed: bool,
    /// Of two primaries in one epoch the first goes on, and not none.
    pub(crate) keep_first: bool,
    /// How long a lost primary is looked for in short steps.
    pub(crate) timeout: Duration,
}
