//! What every metric is called, its unit and its meaning: the one table that publishing, its tests and the
//! documentation read.
//!
//! A metric that is not in the table cannot be published, so none is without a description.

use metrics::Unit;

use super::counters::Counted;
use crate::words::RetryCause;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    /// The labels beside `cluster`, which is there when the cluster has a name.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests hold the published labels against it")
    )]
    pub(crate) labels: &'static [&'static str],
    pub(crate) text: &'static str,
}

macro_rules! table {
    ($($id:ident = $kind:ident $unit:ident $name:literal [$($label:literal),*] $text:literal;)+) => {
        $(pub(crate) static $id: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            text: $text,
        };)+

        /// Every metric.
        pub(crate) static ALL: &[&Metric] = &[$(&$id,)+];
    };
}

table! {
    STATEMENTS = Counter Count "sealane_statements_total" ["node", "role", "intent", "reason"]
        "Statements by the node they went to, the role it had, what they needed and why they went there";
    STATEMENT_SECONDS = Histogram Seconds "sealane_statement_seconds" ["node"]
        "Time from sending a statement to its answer, of a stream to its end, in steps of an eighth";
    ACQUIRE_SECONDS = Histogram Seconds "sealane_acquire_seconds" ["node"]
        "Time a statement waited for a connection of its node, in steps of an eighth";
    IN_FLIGHT = Gauge Count "sealane_in_flight" ["node"]
        "Statements, streams and transactions that are on the node now";
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
    RETRIES = Counter Count "sealane_retries_total" ["node", "cause"]
        "Statements sent again, by the node that had failed them and the cause";
    CORRECTED = Counter Count "sealane_corrected_misroutes_total" []
        "Reads that a replica refused as a write and that ran once on the primary";
    CACHE_HITS = Counter Count "sealane_intent_cache_hits_total" []
        "Statements whose intent was known from the cache or by their first keyword";
    CACHE_MISSES = Counter Count "sealane_intent_cache_misses_total" []
        "Statements whose text had to be judged";
    DIVERTED = Counter Count "sealane_diverted_reads_total" []
        "Reads that went to the primary because no replica was eligible";
    PINNED = Counter Count "sealane_pinned_reads_total" []
        "Reads that went to the primary because no replica was known to have replayed what this process wrote";
    CAPTURES = Counter Count "sealane_captures_total" []
        "Times the primary was asked how far it has written";
    REFUSED = Counter Count "sealane_refused_statements_total" []
        "Statements refused because a limit of waiters or of diverted reads was reached";
    WAITS = Counter Count "sealane_waits_total" []
        "Statements that had to wait for the topology to change";
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
        Pinned = PINNED,
        /// The primary was asked for its position.
        Capture = CAPTURES,
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
