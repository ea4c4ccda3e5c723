//! The table of settings: one row for each variable and for each knob that only the builder has.
//!
//! Environment, files, range checks, the log line, the messages' examples and the documentation's table all come from
//! these rows, so none of them can know a variable that the others do not. A row exists only once what it
//! controls works; a later version's variable is unknown until then, and refused as such.

use std::time::Duration;

use super::Config;
use super::kind::{SettingKind, Zero};
use super::value::{Field, Value};
use crate::vocabulary::{Consistency, Failover, OnConflict, OnStale, Scope};

/// The fields that are nodes, not knobs, and the one that steers the reading.
pub(crate) const PRIMARY: &str = "primary";
pub(crate) const REPLICAS: &str = "replicas";
pub(crate) const REPLICA: &str = "replica";
pub(crate) const STRICTNESS: &str = "unknown_variables";

/// One row.
pub(crate) struct Setting {
    /// The variable without a cluster's prefix; none for what no operator turns.
    pub(crate) variable: Option<&'static str>,
    /// The name of the field, the setter and the key in a file.
    pub(crate) field: &'static str,
    pub(crate) kind: SettingKind,
    /// The default as the table shows it.
    pub(crate) default: &'static str,
    /// A right value.
    pub(crate) example: &'static str,
    /// What the setting does, in one sentence.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the documentation's table reads it")
    )]
    pub(crate) what: &'static str,
    /// Why the default is what it is.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the documentation's table reads it")
    )]
    pub(crate) reason: &'static str,
    /// How the field is reached; none where the field is no knob.
    pub(crate) access: Option<Access>,
}

pub(crate) struct Access {
    pub(crate) get: fn(&Config) -> Value,
    pub(crate) set: fn(&mut Config, Value),
}

impl Setting {
    /// Whether there may be none of it, which an empty text means then.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self.default, "empty" | "unset")
    }
}

/// The row of a field.
pub(crate) fn by_field(field: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.field == field)
}

/// The place of a field's row, for the order of problems.
pub(crate) fn index(field: &str) -> usize {
    let place = SETTINGS.iter().position(|setting| setting.field == field);
    place.unwrap_or(usize::MAX)
}

/// The rows that a variable sets.
pub(crate) fn variables() -> impl Iterator<Item = (&'static str, &'static Setting)> {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.variable?, setting)))
}

const MS: Duration = Duration::from_millis(1);
const TENTH: Duration = Duration::from_millis(100);
const S: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A pool beyond this is a mistake: PostgreSQL itself takes a hundred connections unless told otherwise.
const POOL_MAX: u32 = 10_000;
const KIB: usize = 1 << 10;
const GIB: usize = 1 << 30;
/// Text beyond this is never worth a parse, and the stack that a parse needs grows with the text.
const STATEMENT_MAX: usize = 256 * KIB;

const fn count(min: u32, max: u32) -> SettingKind {
    SettingKind::Count { min, max }
}

const fn bytes(min: usize, max: usize) -> SettingKind {
    SettingKind::Bytes { min, max }
}

const fn time(zero: Zero, min: Duration, max: Duration) -> SettingKind {
    SettingKind::Time { zero, min, max }
}

macro_rules! rows {
    ($($variable:tt $field:ident $(at $($path:ident).+)?, $kind:expr, $default:literal, $example:literal,
        $what:literal, $reason:literal;)+) => {
        &[$(Setting {
            variable: rows!(@variable $variable),
            field: stringify!($field),
            kind: $kind,
            default: $default,
            example: $example,
            what: $what,
            reason: $reason,
            access: rows!(@access $field $(at $($path).+)?),
        },)+]
    };
    (@variable "") => { None };
    (@variable $variable:tt) => { Some($variable) };
    (@access $field:ident at none) => { None };
    (@access $field:ident at $($path:ident).+) => {
        Some(Access {
            get: |config| config.$($path).+.read(),
            set: |config, value| config.$($path).+.write(value),
        })
    };
    (@access $field:ident) => { rows!(@access $field at $field) };
}

/// Every row, in the order of the documentation's table, the builder's own knobs last.
pub(crate) static SETTINGS: &[Setting] = rows! {
    "DATABASE_URL" primary at none, SettingKind::Primary, "required",
        "postgres://app:PASSWORD@db1:5432/app",
        "Names the primary, or several hosts of which one is",
        "the name that other tools read too";
    "DATABASE_REPLICA_URLS" replicas at none, SettingKind::Replicas, "empty",
        "db2:5432,db3:5432?weight=2",
        "Names the replicas; without any, everything goes to the primary",
        "what an item leaves out comes from `DATABASE_URL`";
    "DATABASE_REPLICA_URL" replica at none, SettingKind::Replica, "unset",
        "postgres://app:PASSWORD@db2:5432/app",
        "Names one replica",
        "a common spelling; setting both is an error";
    "SEALANE_ENABLED" enabled, SettingKind::Flag, "true",
        "true",
        "Splits reads off; `false` sends everything to the primary",
        "who names replicas wants them used";
    "SEALANE_UNKNOWN_VARIABLES" unknown_variables at none, SettingKind::Strictness, "error",
        "warn",
        "What a misspelt `SEALANE_` variable is at the start: an error or a warning",
        "finds typos; `warn` lets an older version start with newer variables";
    "SEALANE_PRIMARY_WEIGHT" primary_weight at primary.weight, SettingKind::Weight, "0",
        "1",
        "The primary's share of reads; a replica's is `?weight=`, 1 by default",
        "reads spare the primary while a replica lives";
    "SEALANE_ZONE" zone, SettingKind::Name, "unset",
        "eu-west-1a",
        "Where this process runs: replicas of this `?zone=` serve its reads while one is eligible",
        "all zones are alike until one is named; without a replica there, any other zone serves";
    "SEALANE_START_WITHOUT_PRIMARY" start_without_primary, SettingKind::Flag, "false",
        "false",
        "Starts for reads alone when the primary cannot be reached",
        "a wrong address is better found at the start";
    "SEALANE_MAX_CONNECTIONS" max_connections, count(1, POOL_MAX), "10",
        "10",
        "Size of the primary's pool at most",
        "as sqlx; a larger pool rotates over cold connections";
    "SEALANE_REPLICA_MAX_CONNECTIONS" replica_max_connections, count(1, POOL_MAX), "as above",
        "20",
        "Size of each replica's pool at most",
        "readers often need more than writers: then raise it";
    "SEALANE_MIN_CONNECTIONS" min_connections, count(0, POOL_MAX), "1",
        "1",
        "Connections that each pool keeps open",
        "the first statement finds a warm one";
    "SEALANE_CONNECT_TIMEOUT" connect_timeout, time(Zero::Refused, MS, HOUR), "2s",
        "2s",
        "Ends one attempt to connect",
        "sqlx sets no limit";
    "SEALANE_ACQUIRE_TIMEOUT" acquire_timeout, time(Zero::Refused, MS, DAY), "30s",
        "30s",
        "How long a statement queues for a place in a pool, and a start waits for servers that are not up yet",
        "as SeaORM, so that bursts queue";
    "SEALANE_REPLICA_ACQUIRE_TIMEOUT" replica_acquire_timeout, time(Zero::Refused, MS, DAY), "500ms",
        "500ms",
        "How long a read queues at its replicas before it takes a free place on any other node too",
        "a full replica should not hold a read while another node is free";
    "SEALANE_ROUTE_TIMEOUT" route_timeout, time(Zero::Refused, MS, DAY), "5s",
        "5s",
        "How long a read may spend on deciding, waiting for freshness and moving between nodes that fail; queueing is not counted",
        "a read that no node can serve has to end";
    "SEALANE_STATEMENT_TIMEOUT" statement_timeout, time(Zero::Absent("none"), MS, DAY), "0",
        "30s",
        "Lets the server end a statement that runs longer (PostgreSQL)",
        "as SeaORM: long reports go on working";
    "SEALANE_IDLE_TIMEOUT" idle_timeout, time(Zero::Refused, MS, MONTH), "10m",
        "10m",
        "Closes a connection that was idle for so long",
        "as sqlx";
    "SEALANE_MAX_LIFETIME" max_lifetime, time(Zero::Refused, MS, MONTH), "30m",
        "30m",
        "Closes a connection of this age",
        "as sqlx";
    "SEALANE_PING_AFTER_IDLE" ping_after_idle, time(Zero::Means("always"), MS, DAY), "10s",
        "10s",
        "Pings a connection that was idle for so long before it is used",
        "finds connections that a NAT cut, without a ping on every acquire";
    "SEALANE_DIVERSION_LIMIT" diversion_limit, count(0, POOL_MAX), "half the primary's pool",
        "5",
        "How many of the primary's places reads may hold for want of a replica; the others queue",
        "writes keep the other half";
    "SEALANE_LATENCY_WINDOW" latency_window, time(Zero::Means("only the fastest"), MS, MINUTE), "15ms",
        "15ms",
        "How much slower than the fastest replica another may answer and still serve reads",
        "as MongoDB's drivers; keeps far zones out";
    "SEALANE_EJECT_MAX" eject_max, time(Zero::Refused, TENTH, DAY), "30s",
        "30s",
        "The longest pause before a failed node is tried again",
        "a server that was down for long is used again soon after it is back";
    "SEALANE_RAMP_UP" ramp_up, time(Zero::Means("at once"), MS, HOUR), "10s",
        "10s",
        "How long a node that returns takes to its full share of reads",
        "its caches are cold";
    "SEALANE_DRAIN_TIMEOUT" drain_timeout, time(Zero::Means("at once"), MS, DAY), "30s",
        "30s",
        "How long a removed node may finish what runs there; then its pool is closed hard",
        "what runs there is cut as the last resort only";
    "SEALANE_FENCE" fence, SettingKind::Flag, "true",
        "true",
        "Lets replica connections refuse writes by themselves",
        "a second guard behind the judging of texts; off only for poolers without session state";
    "SEALANE_READ_FUNCTIONS" read_functions, SettingKind::Functions, "empty",
        "app.price_of,app.tax",
        "Functions that may run on a replica: your word that they write nothing",
        "a function that nobody knows goes to the primary";
    "SEALANE_PRIMARY_FUNCTIONS" primary_functions, SettingKind::Functions, "empty",
        "app.next_number",
        "Functions for the primary only",
        "wins over every allowance";
    "SEALANE_CATALOG_REFRESH" catalog_refresh, time(Zero::Absent("off"), S, WEEK), "5m",
        "5m",
        "How often the server's catalog of functions and relations is read again",
        "other processes change the schema too";
    "SEALANE_INTENT_CACHE" intent_cache, bytes(64 * KIB, GIB), "4MiB",
        "4MiB",
        "Memory for what was found out about texts",
        "room for about 10 000 texts of 250 bytes";
    "SEALANE_MAX_STATEMENT_SIZE" max_statement_size, bytes(KIB, STATEMENT_MAX), "64KiB",
        "64KiB",
        "The longest text that is parsed; a longer one goes to the primary",
        "the time and the stack that a parse takes grow with the text";
    "SEALANE_CONSISTENCY" consistency, SettingKind::Word(Consistency::WORDS), "read-your-writes",
        "eventual",
        "What a read may miss",
        "what this process wrote, it reads; without waiting for replicas that are behind";
    "SEALANE_SCOPE" scope, SettingKind::Word(Scope::WORDS), "process",
        "task",
        "Whose writes a read has to see: this process's, or those of its own tokio task",
        "safe before narrow";
    "SEALANE_ON_STALE" on_stale, SettingKind::Word(OnStale::WORDS), "primary",
        "wait",
        "What a read does when no replica is known to be fresh enough: take the primary, wait for a replica first, or wait and fail",
        "the primary is fresh at once";
    "SEALANE_STALE_WAIT" stale_wait, time(Zero::Means("at once"), MS, MINUTE), "10ms",
        "10ms",
        "How long `wait` and `error` wait for a replica, and the most that a bookmark costs a request",
        "most replicas are there within it";
    "SEALANE_PIN" pin, time(Zero::Means("no pin"), MS, DAY), "unset",
        "2s",
        "Where no position can be had: how long after a write reads go to the primary. It is your word that no replica is ever further behind",
        "nobody else can tell how far a replica is; unset, what wrote reads on the primary for good; SQLite needs none";
    "SEALANE_CHECK_INTERVAL" check_interval, time(Zero::Refused, MS, MINUTE), "1s",
        "1s",
        "Between two questions to a node that is well",
        "one small statement per node; failed statements ask at once";
    "SEALANE_CHECK_TIMEOUT" check_timeout, time(Zero::Refused, MS, MINUTE), "1s",
        "1s",
        "Limit of one such question; two in a row without an answer, and the node is not used",
        "a node that is well answers far sooner";
    "SEALANE_DEAD_AFTER" dead_after, time(Zero::Refused, MS, HOUR), "2s",
        "2s",
        "How long after a node was found silent what runs there is ended",
        "nothing else ends a statement on a frozen server";
    "SEALANE_MAX_LAG" max_lag, time(Zero::Absent("none"), MS, DAY), "10s",
        "10s",
        "How far behind a replica may be and still serve reads",
        "a read that has to see nothing certain should not be minutes old either";
    "SEALANE_FAILOVER" failover, SettingKind::Word(Failover::WORDS), "auto",
        "confirmed",
        "Who takes the writes: the node of the greatest epoch (`auto`), the same once a witness confirms it (`confirmed`), the configured primary (`off`)",
        "a promotion needs no configuration; roles are as configured on all but PostgreSQL";
    "SEALANE_FAILOVER_TIMEOUT" failover_timeout, time(Zero::Refused, MS, HOUR), "30s",
        "30s",
        "How long writes wait for a primary while none is known",
        "as long as a statement queues; with Patroni, more than its `ttl` and `loop_wait` together";
    "SEALANE_ON_CONFLICT" on_conflict, SettingKind::Word(OnConflict::WORDS), "stop",
        "stop",
        "What happens when two nodes are primaries of one epoch: nothing is written, or the first one goes on",
        "`keep-first` may write to the wrong one";
    "SEALANE_DISCOVERY" discovery, SettingKind::Discovery, "static",
        "patroni=http://db1:8008",
        "Who names nodes beside the configured ones; `dns` needs the feature `dns`, the others but `static` the feature `discovery`",
        "a fixed list needs nobody";
    "SEALANE_CLUSTER_NAME" cluster_name, SettingKind::Name, "default",
        "orders",
        "The label `cluster` of every metric, and the name in log lines",
        "with a prefix, its name (`ORDERS_` is `orders`)";
    "" retry_percent, count(0, 100), "10",
        "10",
        "The share of the requests that repeats may add, in percent",
        "repeats must not double the load of a cluster that is in trouble";
    "" retries_per_second, count(0, 1_000_000), "10",
        "10",
        "Repeats a second that are always allowed",
        "a process with little traffic can still repeat";
    "" cached_text_limit, bytes(0, STATEMENT_MAX), "16KiB",
        "16KiB",
        "The longest text whose verdict is remembered",
        "longer texts are rarely seen twice";
    "" warm_up_timeout, time(Zero::Refused, MS, HOUR), "5s",
        "5s",
        "How long a new node may take to its first connection",
        "a new node that cannot be reached must not hold up a change of topology";
    "" eject_first, time(Zero::Refused, MS, HOUR), "100ms",
        "100ms",
        "The first pause before a failed node is tried again, doubled from then on",
        "a restarted server is missed for no longer than this";
    "" keep_seaorm_errors, SettingKind::Flag, "false",
        "true",
        "Answers a full pool with SeaORM's own error; what is missing there is logged",
        "the error itself says which node was full and what to raise";
    "" keep_journal_mode, SettingKind::Flag, "false",
        "true",
        "Leaves an SQLite file's journal mode as it is",
        "readers beside a writer need WAL";
};
