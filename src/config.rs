//! The configuration: every knob with its value resolved, its default and the reason for it.
//!
//! No field means "the default is decided elsewhere"; where `None` is possible, "unset" is itself a value. The
//! environment, the builder and a file fill the same struct, and one check reports all that is wrong with it.

mod builder;
pub(crate) mod check;
#[cfg(feature = "serde")]
mod deserialize;
mod discovery;
mod dns;
mod draft;
mod effective;
#[cfg(feature = "otel")]
mod endpoints;
mod env;
mod error;
#[cfg(feature = "postgres")]
mod found;
pub(crate) mod hosts;
mod item;
pub(crate) mod kind;
mod names;
mod node;
mod problems;
pub(crate) mod redact;
mod source;
pub(crate) mod table;
mod template;
pub(crate) mod url;
pub(crate) mod value;

use std::{path::PathBuf, sync::Arc, time::Duration};

use sea_orm::ConnectOptions;

pub use builder::Builder;
pub(crate) use check::nodes::arrange;
pub use discovery::{Discovery, ParseDiscoveryError};
#[cfg(feature = "dns")]
pub(crate) use dns::DnsName;
pub(crate) use dns::DnsQuestion;
#[cfg(feature = "otel")]
pub(crate) use endpoints::Endpoints;
pub use error::{ConfigError, Problem};
#[cfg(feature = "postgres")]
pub(crate) use found::{Found, Place, Sharing, Slot};
pub use node::NodeConfig;
pub(crate) use node::READERS;
pub(crate) use redact::mask;
#[cfg(feature = "sqlite")]
pub(crate) use redact::percent_decode;
pub use url::NodeUrl;
pub(crate) use url::scheme_of;

use crate::credentials::{CredentialsProvider, CredentialsRegistry};
use crate::vocabulary::{
    Consistency, Failover, Flavour, Mode, OnConflict, OnStale, Scope, StatementLimit,
};
use source::SettingSource;

/// Everything that one cluster's router is told.
///
/// Made by [`from_env`](Self::from_env), by [`builder`](Self::builder), or (feature `serde`) from a file. The
/// fields are public and may be changed afterwards; whoever connects checks them again. Two defaults follow other
/// fields, [`replica_max_connections`](Self::replica_max_connections) and
/// [`diversion_limit`](Self::diversion_limit); they are resolved when the configuration is made and do not move
/// with a later change of [`max_connections`](Self::max_connections).
///
/// In a file a key is a field's name and a value is written as in the environment: `pin = "500ms"`,
/// `intent_cache = "8MiB"`, `replicas = ["db2", "db3?weight=2"]`, and `primary_weight` for the primary's weight.
/// Unknown keys are refused. What only the builder has cannot stand in a file.
///
/// `Debug` shows the effective configuration without passwords.
///
/// ```
/// use std::time::Duration;
/// use sealane::Config;
///
/// let config = Config::from_vars([
///     ("DATABASE_URL".to_owned(), "postgres://app:secret@db1/app".to_owned()),
///     ("DATABASE_REPLICA_URLS".to_owned(), "db2, db3:5433?weight=2".to_owned()),
///     ("SEALANE_PIN".to_owned(), "500ms".to_owned()),
/// ])?;
/// assert_eq!(config.replicas.len(), 2);
/// assert_eq!(config.pin, Some(Duration::from_millis(500)));
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), sealane::ConfigError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The primary as configured. Its weight, the share of reads it takes beside the replicas, is 0 by default:
    /// reads spare the primary while a replica lives.
    pub primary: NodeConfig,
    /// The replicas as configured; none by default, and then everything goes to the primary.
    pub replicas: Vec<NodeConfig>,
    /// Whether statements go where they belong (default: `route`), or stay on the primary while it is counted where they would
    /// have gone.
    pub mode: Mode,
    /// Whether reads are split off at all (default: yes). Off sends everything to the primary.
    pub enabled: bool,
    /// The zone whose replicas serve reads while one of them is eligible; unset, all zones are alike.
    pub zone: Option<String>,
    /// Whether to start, read only, when the primary cannot be reached (default: no, since a wrong address is
    /// better found at the start).
    pub start_without_primary: bool,
    /// Connections of the primary's pool at most (default: 10, as sqlx; a larger pool rotates over cold
    /// connections).
    pub max_connections: u32,
    /// Connections of each replica's pool at most (default: as `max_connections`).
    pub replica_max_connections: u32,
    /// Connections that each pool keeps open (default: 1, so that the first statement finds one).
    pub min_connections: u32,
    /// Limit of one attempt to connect (default: 2 s; sqlx has none).
    pub connect_timeout: Duration,
    /// How long a statement waits for a connection of a pool (default: 30 s, as SeaORM, so that bursts queue). What it
    /// waits for before, a primary above all, is not counted. A start waits as long for servers that are not up yet.
    pub acquire_timeout: Duration,
    /// How long a read waits for a connection of the replicas it was meant for before any other node will do, the
    /// primary within [`diversion_limit`](Self::diversion_limit) too (default: 500 ms). It goes on waiting where it
    /// stands.
    pub replica_acquire_timeout: Duration,
    /// How long a read may spend on decisions, freshness and nodes that fail (default: 5 s). Waiting for a connection
    /// of a pool is not counted.
    pub route_timeout: Duration,
    /// Limit of a statement's run on the server (default: none, as SeaORM, so that long reports go on working; zero in a
    /// setter is none as well). PostgreSQL only, as with SeaORM.
    pub statement_timeout: Option<Duration>,
    /// Age at which an idle connection is closed (default: 10 min, as sqlx); `None`, which only code can say:
    /// never.
    pub idle_timeout: Option<Duration>,
    /// Age at which a connection is closed (default: 30 min, as sqlx); `None`, which only code can say: never.
    pub max_lifetime: Option<Duration>,
    /// Idle time after which a connection is pinged before it is used (default: 10 s, which finds connections cut
    /// by a NAT without a ping on every acquire). Zero: always; `None`, which only code can say: never.
    pub ping_after_idle: Option<Duration>,
    /// How many connections of the primary's pool reads may hold because no replica can serve them (default: half of
    /// `max_connections`, at least 1, so that writes keep the other half). The others wait in line.
    pub diversion_limit: u32,
    /// How many statements a node is given at a time (default: as many as were measured to have the shortest response
    /// times, at most its pool's connections). Transactions and streams do not count, and nobody waits where no turn comes
    /// back within 2 ms.
    pub statement_limit: StatementLimit,
    /// How much slower than the fastest replica another may answer and still be chosen (default: 15 ms, as
    /// MongoDB's drivers; it keeps far zones out). Zero: only the fastest.
    pub latency_window: Duration,
    /// Longest pause before a failed node is tried again (default: 30 s).
    pub eject_max: Duration,
    /// How long a node that returns takes to its full share (default: 10 s, since its caches are cold). Zero: at
    /// once.
    pub ramp_up: Duration,
    /// How long a removed node may finish what runs there (default: 30 s). Zero: it is closed at once.
    pub drain_timeout: Duration,
    /// Whether replica connections themselves refuse writes (default: yes). Off only for poolers that refuse start-up
    /// parameters: the classification of statements is then the only guard, and a warning says so. SQLite's readers always
    /// refuse writes.
    pub fence: bool,
    /// Functions that the user vouches for: they write nothing and may run on a replica.
    pub read_functions: Vec<String>,
    /// Functions that need the primary; this wins over every allowance.
    pub primary_functions: Vec<String>,
    /// How often the catalog is read again (default: 5 min, since other processes change the schema too); `None`,
    /// or zero in a setter: only at the start and after own changes.
    pub catalog_refresh: Option<Duration>,
    /// Without statements, transactions and streams for so long the cluster sleeps, until the next statement wakes it: no
    /// node is asked anything and every connection is closed (default: none, it never sleeps); `None`, or zero in a
    /// setter: never. Nodes are asked what they are before that statement is sent, as at the start. A cluster whose
    /// connection was handed out by [`concrete`](crate::RoutedConnection::concrete), one whose list of nodes is
    /// discovered, and SQLite do not sleep.
    pub idle_after: Option<Duration>,
    /// Size of the cache of verdicts in bytes (default: 4 MiB, room for about 10 000 texts of 250 bytes).
    pub intent_cache: usize,
    /// Longest statement in bytes that is judged (default: 1 MiB, room for a list of 65 535 parameters twice); a longer one
    /// goes to the primary.
    pub max_statement_size: usize,
    /// What reads may miss, unless a handle says otherwise (default: nothing that this process wrote).
    pub consistency: Consistency,
    /// Whose writes a read has to see, where no session says otherwise (default: the process's, since a narrower scope
    /// misses what another task wrote for this one).
    pub scope: Scope,
    /// What happens when no replica is known to have replayed what a read has to see (default: the primary serves it,
    /// which never waits).
    pub on_stale: OnStale,
    /// How long a read waits for such a replica, where it waits at all (default: 10 ms, within which most replicas are
    /// there); and the most that a bookmark costs a request, that was brought or is to be given. Zero: not at all.
    pub stale_wait: Duration,
    /// Where no position can be had (connections that the application made, MariaDB without a single domain of
    /// GTIDs, MySQL without `gtid_mode`, a role that may not ask for it): how long after a write the reads of this process go to the primary. It is
    /// the application's word that no replica is ever further behind. Default: none, and what wrote reads on the primary,
    /// since nobody else can tell how far a replica is. Zero is the word that no replica is ever behind: reads never go to
    /// the primary for a write, and are stale by whatever a replica lags. SQLite needs none and has none.
    pub pin: Option<Duration>,
    /// Between two health checks of a node that is well (default: 1 s, one small statement; a failed statement asks at
    /// once).
    pub check_interval: Duration,
    /// Limit of one health check (default: 1 s). A connection that takes longer is a check without an answer, and goes
    /// on being opened for the next one, for [`connect_timeout`](Self::connect_timeout).
    pub check_timeout: Duration,
    /// How long after a node was found silent what is in flight there is ended (default: 2 s).
    pub dead_after: Duration,
    /// How far a replica may be behind and still serve reads (default: 10 s); `None`, or zero in a setter: any
    /// lag.
    pub max_lag: Option<Duration>,
    /// Whether the primary is found by asking the nodes what they are, or is the configured one whatever happens
    /// (default: found). PostgreSQL only; elsewhere roles are as configured.
    pub failover: Failover,
    /// How long writes wait for a primary while none is known (default: 30 s).
    pub failover_timeout: Duration,
    /// What happens when two nodes take writes on one timeline (default: nothing is written until that is over).
    pub on_conflict: OnConflict,
    /// Which database system the servers are (default: what they say themselves).
    pub flavour: Flavour,
    /// Where the list of nodes comes from, beside what is configured here (default: from nowhere else).
    pub discovery: Discovery,
    /// Where discovered nodes may be (default: anywhere, since whoever names the nodes is believed): names, `*.domain` for
    /// all below it, addresses and networks (`10.1.0.0/16`). A node elsewhere is left out with a warning: nothing connects
    /// there, and no password is sent. A node that was discovered by its address needs a network, one by its name a name.
    pub discovery_hosts: Vec<String>,
    /// A file of certificates (PEM) that Patroni's is checked against (default: the authorities of browsers). This and the
    /// three below are read anew for each question.
    pub discovery_ca: Option<PathBuf>,
    /// A file with the certificate (PEM) that is shown to Patroni, and those that it was signed by (default: none).
    pub discovery_cert: Option<PathBuf>,
    /// A file with the key (PEM) of that certificate (default: none).
    pub discovery_key: Option<PathBuf>,
    /// A file that holds `user:password` for Patroni's interface (default: none); sent by `https://` only.
    pub discovery_login_file: Option<PathBuf>,
    /// A file that holds the password for every node whose URL has none (default: none). It is read again when it changes
    /// and when a server refuses what it held; connections that there are stay. The last line break is no part of it.
    pub password_file: Option<PathBuf>,
    /// A file like `password_file` for the replicas alone (default: none, and `password_file` is for them too).
    pub replica_password_file: Option<PathBuf>,
    /// What the cluster is called in metrics (label `cluster`) and log lines (default: the variables' prefix in lower
    /// case without its last `_`, else `default`). Two clusters of one process need two names: a second one of the same
    /// name gets a number behind it, with a warning, so that none overwrites the other's metrics.
    pub cluster_name: String,
    /// Share of the requests that retries may add, in percent (default: 10, so that retries never double the load
    /// of a cluster in trouble). Builder only.
    pub retry_percent: u32,
    /// Retries a second that are always allowed (default: 10, so that little traffic can still retry). Builder
    /// only.
    pub retries_per_second: u32,
    /// Longest text in bytes whose verdict is cached (default: 16 KiB; longer texts are rarely seen twice).
    /// Builder only.
    pub cached_text_limit: usize,
    /// How long a new node may take to its first connection before the topology goes on without it (default:
    /// 5 s). Builder only.
    pub warm_up_timeout: Duration,
    /// First pause before a failed node is tried again, doubled from then on (default: 100 ms). Builder only.
    pub eject_first: Duration,
    /// Whether an SQLite file keeps its journal mode (default: no: it is switched to WAL, which stays in the file,
    /// because otherwise readers and the writer block each other). Builder only.
    pub keep_journal_mode: bool,
    /// The caller's template for every node's connections, closures included. Its URL is not used where the
    /// primary has one of its own. Builder only.
    ///
    /// On PostgreSQL one connection more is opened at the start to find out whether a closure of it sets sqlx's
    /// `after_connect`: then a `begin` asks whose server it is on, which is one round trip; else only a new connection
    /// does.
    pub connect_options: Option<ConnectOptions>,
    /// Whoever gives user and password, in the place of those in the nodes' URLs (default: nobody). Builder only.
    pub credentials: Option<CredentialsProvider>,
    /// Whether a full pool is answered with SeaORM's own error, by which code that was written for SeaORM knows it
    /// (`DbErr::ConnectionAcquire`), and what is missing there, the node and what bounds the wait, stands in a warning
    /// (default: no: the error says it; [`drop_in::Database`](crate::drop_in::Database) sets it). Builder only.
    pub keep_seaorm_errors: bool,
    /// No closure over the pool's options is in the template, surely.
    pub(crate) plain_template: bool,
    warnings: Vec<String>,
    source: SettingSource,
    /// What its nodes log in with, where that changes; of all clones of this configuration.
    pub(crate) registry: Arc<CredentialsRegistry>,
    /// What was found out of the template.
    #[cfg(feature = "postgres")]
    pub(crate) found: Found,
}

impl Config {
    /// What the configuration itself decided and its owner should know: a replica that was left out because it is
    /// the primary, an unknown variable that was let through. Logged once when connecting.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
