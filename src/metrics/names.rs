//! What every metric is called, its unit and its meaning: the one table that the exporter, its tests and the
//! documentation read.
//!
//! A metric that is not in the table cannot be exported, so none is without a description.

use metrics::Unit;

use crate::vocabulary::{FailureKind, RetryCause};

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// Only rises.
    Counter,
    /// The value of the moment.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: MetricKind,
    pub(crate) unit: Unit,
    /// The labels beside `cluster`, which every metric has.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests hold the exported labels against it")
    )]
    pub(crate) labels: &'static [&'static str],
    pub(crate) text: &'static str,
}

/// A closed set of words with one counter each.
pub(crate) trait Counted: Copy + 'static {
    /// Every word, in the order of its index.
    const ALL: &'static [Self];

    /// The index of this word in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// What the counter is called outside.
    fn metric(self) -> &'static Metric;
}

macro_rules! table {
    ($($id:ident = $kind:ident $unit:ident $name:literal [$($label:literal),*] $text:literal;)+) => {
        $(pub(crate) static $id: Metric = Metric {
            name: $name,
            kind: MetricKind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            text: $text,
        };)+

        /// Every metric.
        pub(crate) static ALL: &[&Metric] = &[$(&$id,)+];
    };
}

table! {
    BUILD_INFO = Gauge Count "sealane_build_info" ["version"]
        "1, with the version of sealane that runs";
    STATEMENTS = Counter Count "sealane_statements_total" ["node", "role", "intent", "reason"]
        "Statements by the node they went to, the role it had, what they needed and why they went there";
    STATEMENT_SECONDS = Histogram Seconds "sealane_statement_seconds" ["node"]
        "Time from sending a statement to its answer, of a stream to its end; each value is exact to an eighth";
    ACQUIRE_SECONDS = Histogram Seconds "sealane_acquire_seconds" ["node"]
        "Time each statement waited for a connection of its node, 128 ns for one that was there; each value is exact to an eighth";
    IN_FLIGHT = Gauge Count "sealane_in_flight" ["node"]
        "Statements, streams and transactions that are on the node now";
    STATEMENT_LIMIT = Gauge Count "sealane_statement_limit" ["node"]
        "How many statements the node is given at a time; the others wait for their turn";
    NODE_ROLE = Gauge Count "sealane_node_role" ["node", "role"]
        "1 for the role the node has, 0 for the others";
    POOL_CONNECTIONS = Gauge Count "sealane_pool_connections" ["node"]
        "Open connections of the node's pools";
    POOL_IDLE = Gauge Count "sealane_pool_idle_connections" ["node"]
        "Open connections that nobody uses now";
    POOL_USED = Gauge Count "sealane_pool_used_connections" ["node"]
        "Open connections that are in use now";
    POOL_MAX = Gauge Count "sealane_pool_max_connections" ["node"]
        "The most connections that the node's pools may open";
    EJECTIONS = Counter Count "sealane_ejections_total" ["node"]
        "Times the node was taken out because it failed";
    READMISSIONS = Counter Count "sealane_readmissions_total" ["node"]
        "Times the node was taken back after an ejection";
    CONNECTION_ERRORS = Counter Count "sealane_connection_errors_total" ["node"]
        "Connections that could not be opened, timed out or broke";
    UNKNOWN_OUTCOMES = Counter Count "sealane_unknown_outcomes_total" ["node"]
        "Writes and commits of which nobody knows whether they were executed";
    NO_READ_ONLY_DEFAULT = Counter Count "sealane_connections_without_read_only_default_total" ["node"]
        "Connections to a replica that were opened without the read-only default: something between drops start-up options";
    RETRIES = Counter Count "sealane_retries_total" ["node", "cause"]
        "Statements sent again, and transactions whose closure ran again, by the node that had failed them and the cause";
    FAILURES = Counter Count "sealane_statement_errors_total" ["node", "kind"]
        "Statements that failed, by the node and what they failed with; one that is sent again counts each time";
    CORRECTED = Counter Count "sealane_corrected_misroutes_total" []
        "Reads that a replica refused as a write and that ran once on the primary";
    CACHE_HITS = Counter Count "sealane_intent_cache_hits_total" []
        "Statements whose intent was known from the cache or by their first keyword";
    CACHE_MISSES = Counter Count "sealane_intent_cache_misses_total" []
        "Statements whose text had to be judged";
    DIVERTED = Counter Count "sealane_diverted_reads_total" []
        "Reads that went to the primary because no replica could serve them";
    NOT_CAUGHT_UP_READS = Counter Count "sealane_not_caught_up_reads_total" []
        "Reads that went to the primary because no replica was known to have replayed what they had to see";
    COVERED_READS = Counter Count "sealane_covered_reads_total" []
        "Reads that a replica served which was known to have what they had to see";
    CAPTURES = Counter Count "sealane_captures_total" []
        "Times the primary was asked how far it has written";
    SAMPLES = Counter Count "sealane_samples_total" []
        "Times a replica was asked how far it has replayed";
    STALE_WAITS = Counter Count "sealane_stale_waits_total" []
        "Reads that waited for a replica to have replayed what they had to see";
    STALE_TIMEOUTS = Counter Count "sealane_stale_wait_timeouts_total" []
        "Reads that waited for a replica in vain: none had replayed in time what they had to see";
    STALE_WAIT_SECONDS = Histogram Seconds "sealane_stale_wait_seconds" []
        "Time that reads waited for a replica to have replayed what they had to see; each value is exact to an eighth";
    COVERED_SECONDS = Histogram Seconds "sealane_covered_seconds" []
        "Time from a write's return until the primary's position that covers it was known, of the oldest write each time; each value is exact to an eighth";
    REPLAYED_SECONDS = Histogram Seconds "sealane_replayed_seconds" ["node"]
        "Time from the primary's answer on its position until the replica was known to have replayed that; each value is exact to an eighth";
    OPEN_WRITES = Gauge Count "sealane_open_writes" []
        "Writes that their callers left and whose end is not known; they keep reads on the primary";
    TRACKED_TASKS = Gauge Count "sealane_tracked_tasks" []
        "Tasks whose writes are remembered apart, with SEALANE_SCOPE=task";
    NODE_HEALTH = Gauge Count "sealane_node_health" ["node"]
        "1 while the node answers; 0 while it is ejected, under grave suspicion, or refuses our logins";
    NODE_ELIGIBLE = Gauge Count "sealane_node_eligible" ["node", "reason"]
        "1 for what holds of the node as a replica: `eligible`, or why it serves no balanced reads; 0 for what held of it before";
    NODE_LAG_SECONDS = Gauge Seconds "sealane_node_lag_seconds" ["node"]
        "The most that the replica may be behind the primary; not there, or NaN, where it cannot be told";
    NODE_LAG_BYTES = Gauge Bytes "sealane_node_lag_bytes" ["node"]
        "How much log the replica had not replayed when it was asked last, of what the primary had written then; not there, or NaN, where it cannot be told";
    EPOCH = Gauge Count "sealane_epoch" []
        "The newest timeline that was seen (PostgreSQL)";
    HAS_PRIMARY = Gauge Count "sealane_has_primary" []
        "1 while a node takes writes, 0 while none is known to";
    ASLEEP = Gauge Count "sealane_asleep" []
        "1 while the cluster sleeps (SEALANE_IDLE_AFTER): no connection is open and no node is asked anything";
    WAITERS = Gauge Count "sealane_waiters" []
        "Statements that wait for a node that may serve them now; those that wait for a connection of their node are not counted";
    RETRY_BUDGET = Gauge Count "sealane_retry_budget" []
        "Repeats that the budget allows now";
    WITHOUT_PRIMARY_SECONDS = Histogram Seconds "sealane_without_primary_seconds" []
        "Time for which no node was known to take writes, each time until one was; each value is exact to an eighth";
    EXCHANGED = Counter Count "sealane_exchanged_bookmarks_total" []
        "Bookmarks of an earlier timeline, for which the first position of the current one was taken";
    LOST_BOOKMARKS = Counter Count "sealane_lost_bookmarks_total" []
        "Bookmarks of a timeline that no node shows, which were ignored";
    FALSE_BOOKMARKS = Counter Count "sealane_false_bookmarks_total" []
        "Bookmarks beyond what the primary has written, which were ignored";
    POSITIONS_LOST = Counter Count "sealane_positions_lost_total" []
        "Positions of sessions on an earlier timeline: what they stand for may be lost";
    PRIMARY_CHANGES = Counter Count "sealane_primary_changes_total" []
        "Times another node began to take the writes";
    PRIMARY_LOSSES = Counter Count "sealane_primary_losses_total" []
        "Times there was no primary any more";
    PRIMARY_CONFLICTS = Counter Count "sealane_primary_conflicts_total" []
        "Nodes that were found to take writes on the timeline of another primary";
    PRIMARY_REFUSES = Counter Count "sealane_primary_refuses_writes_total" []
        "Writes that the primary refused as read only although it is the primary";
    REFUSED = Counter Count "sealane_refused_statements_total" []
        "Statements refused because 10 000 wait for a node already";
    WAITS = Counter Count "sealane_waits_total" []
        "Statements that had to wait for a node that may serve them";
    SNAPSHOT_CHANGES = Counter Count "sealane_snapshot_changes_total" []
        "Changes of the topology that statements saw";
}

macro_rules! counted {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $metric:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl Counted for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn index(self) -> usize {
                self as usize
            }

            fn metric(self) -> &'static Metric {
                match self { $(Self::$variant => &$metric,)+ }
            }
        }
    };
}

counted! {
    /// What is counted for each node beside its statements.
    NodeCounter {
        /// Taken out.
        Ejection = EJECTIONS,
        /// Taken back.
        Readmission = READMISSIONS,
        /// A connection that failed to open, timed out or broke.
        ConnectionError = CONNECTION_ERRORS,
        /// A write or commit whose outcome is unknown.
        UnknownOutcome = UNKNOWN_OUTCOMES,
        /// A connection to a replica without the read-only default.
        NoReadOnlyDefault = NO_READ_ONLY_DEFAULT,
    }
}

counted! {
    /// What is counted for the cluster as a whole.
    ClusterCounter {
        /// I6 ran a refused statement on the primary.
        Corrected = CORRECTED,
        /// The verdict was cached.
        CacheHit = CACHE_HITS,
        /// The verdict had to be found.
        CacheMiss = CACHE_MISSES,
        /// A read sent to the primary as `no_replica`.
        Diverted = DIVERTED,
        /// A read sent to the primary as `not_caught_up`.
        NotCaughtUp = NOT_CAUGHT_UP_READS,
        /// A read went to a replica that has what was written.
        CoveredRead = COVERED_READS,
        /// The primary was asked for its position.
        Capture = CAPTURES,
        /// A replica was asked for its position.
        Sample = SAMPLES,
        /// A read waited for a replica.
        StaleWait = STALE_WAITS,
        /// A read waited for a replica in vain.
        StaleTimeout = STALE_TIMEOUTS,
        /// A bookmark of an older epoch.
        Exchanged = EXCHANGED,
        /// A bookmark of an epoch that is nowhere.
        LostBookmark = LOST_BOOKMARKS,
        /// A bookmark that nobody wrote.
        FalseBookmark = FALSE_BOOKMARKS,
        /// A session's position was of an epoch that is over.
        PositionLost = POSITIONS_LOST,
        /// Writes go elsewhere now.
        PrimaryChange = PRIMARY_CHANGES,
        /// Writes go nowhere now.
        PrimaryLoss = PRIMARY_LOSSES,
        /// Two primaries in one epoch.
        Conflict = PRIMARY_CONFLICTS,
        /// The primary said 25006.
        PrimaryRefusesWrites = PRIMARY_REFUSES,
        /// Over a cap of R7.
        Refused = REFUSED,
        /// A statement began to wait.
        Wait = WAITS,
        /// A new snapshot was stored.
        SnapshotChange = SNAPSHOT_CHANGES,
    }
}

impl Counted for RetryCause {
    const ALL: &'static [Self] = RetryCause::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn metric(self) -> &'static Metric {
        &RETRIES
    }
}

impl Counted for FailureKind {
    const ALL: &'static [Self] = FailureKind::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn metric(self) -> &'static Metric {
        &FAILURES
    }
}

pub(super) const NODE_COUNTERS: usize = NodeCounter::ALL.len();
pub(super) const RETRY_CAUSES: usize = RetryCause::ALL.len();
pub(super) const FAILURE_KINDS: usize = FailureKind::ALL.len();
pub(super) const CLUSTER_COUNTERS: usize = ClusterCounter::ALL.len();
