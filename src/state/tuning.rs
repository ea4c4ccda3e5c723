//! The figures that transitions and routing depend on.
//!
//! All values are resolved; the reason of a default stands beside it.

use std::sync::Arc;
use std::time::Duration;

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
    /// How long a re-admitted node takes to its full weight.
    pub(crate) ramp_up: Duration,
    /// The first back-off of an ejected node's probes.
    pub(crate) first_backoff: Duration,
    /// The cap of that back-off.
    pub(crate) eject_max: Duration,
    /// Between two probes of a node that is well.
    pub(crate) check_interval: Duration,
    /// After this long without an answer, what is in flight on an ejected node is ended.
    pub(crate) dead_after: Duration,
    /// How long a node that is short of connections is avoided.
    pub(crate) saturation: Duration,
    /// How long a removed node may finish what it runs.
    pub(crate) drain_timeout: Duration,
    /// Roles follow from what servers say of themselves; off: they are as configured.
    pub(crate) failover: bool,
    /// A greater epoch counts only with a witness (T3).
    pub(crate) confirmed: bool,
    /// Of two primaries in one epoch the first goes on, and not none.
    pub(crate) keep_first: bool,
    /// How long a lost primary is looked for in short steps.
    pub(crate) failover_timeout: Duration,
    /// The least time between two attempts to connect to a node that gives no connection (T1).
    pub(crate) connect_every: Duration,
    /// How long a new node may take to give its first connection.
    pub(crate) warm_limit: Duration,
    /// How often the catalog is read, whatever happens; none: only for a reason.
    pub(crate) catalog_refresh: Option<Duration>,
    /// How long a text is suspected of a crash whose server does not come back.
    pub(crate) crash_memory: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            enabled: true,
            // Spare the primary while a replica lives.
            primary_weight: 0,
            zone: None,
            // Keeps far zones out; MongoDB's default.
            latency_window: Duration::from_millis(15),
            waiters_limit: 10_000,
            max_lag: None,
            // Cold caches after re-admission.
            ramp_up: Duration::from_secs(10),
            first_backoff: Duration::from_millis(100),
            eject_max: Duration::from_secs(30),
            // One small statement a second and node.
            check_interval: Duration::from_secs(1),
            dead_after: Duration::from_secs(2),
            // Long enough for connections to come back, short enough not to idle a node that has recovered.
            saturation: Duration::from_millis(250),
            drain_timeout: Duration::from_secs(30),
            failover: true,
            confirmed: false,
            keep_first: false,
            failover_timeout: Duration::from_secs(30),
            connect_every: Duration::from_millis(500),
            warm_limit: Duration::from_secs(5),
            catalog_refresh: None,
            // Longer than most recoveries; a text that is innocent must not be kept from the primary for good.
            crash_memory: Duration::from_secs(60),
        }
    }
}
