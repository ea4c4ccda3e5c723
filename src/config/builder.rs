//! The builder: one setter for each knob, and the same checks as everywhere.

use std::fmt;
use std::time::Duration;

use sea_orm::ConnectOptions;

use super::draft::{Draft, Given};
use super::error::{ConfigError, SettingSource};
use super::node::NodeConfig;
use super::table::PRIMARY;
use super::{Config, Discovery};
use crate::vocabulary::{Consistency, Failover, OnConflict, OnStale, Role, Scope};

/// Builds a [`Config`] in code; each setter is named like the field it sets.
///
/// ```
/// use std::time::Duration;
/// use sealane::Config;
///
/// let config = Config::builder()
///     .primary("postgres://app:secret@db1/app")
///     .replicas(["db2", "db3?weight=2"])
///     .max_connections(20)
///     .statement_timeout(Duration::from_secs(30))
///     .build()?;
/// assert_eq!(config.diversion_limit, 10);
/// # Ok::<(), sealane::ConfigError>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
#[derive(Clone)]
pub struct Builder {
    draft: Draft,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            draft: Draft::new(SettingSource::Fields),
        }
    }
}

macro_rules! setters {
    ($($(#[$meta:meta])* $field:ident: $type:ty;)+) => {
        /// One setter for each knob.
        impl Builder {
            $(
                #[doc = concat!("Sets [`Config::", stringify!($field), "`].")]
                $(#[$meta])*
                pub fn $field(mut self, value: $type) -> Self {
                    self.draft.config.$field = value.into();
                    self.draft.assigned.insert(stringify!($field));
                    self
                }
            )+
        }
    };
}

setters! {
    enabled: bool;
    start_without_primary: bool;
    max_connections: u32;
    replica_max_connections: u32;
    min_connections: u32;
    connect_timeout: Duration;
    acquire_timeout: Duration;
    replica_acquire_timeout: Duration;
    route_timeout: Duration;
    /// Zero is no limit, like `None`.
    statement_timeout: impl Into<Option<Duration>>;
    idle_timeout: impl Into<Option<Duration>>;
    max_lifetime: impl Into<Option<Duration>>;
    ping_after_idle: impl Into<Option<Duration>>;
    diversion_limit: u32;
    latency_window: Duration;
    eject_max: Duration;
    ramp_up: Duration;
    drain_timeout: Duration;
    fence: bool;
    /// Zero is off, like `None`.
    catalog_refresh: impl Into<Option<Duration>>;
    intent_cache: usize;
    max_statement_size: usize;
    consistency: Consistency;
    scope: Scope;
    on_stale: OnStale;
    stale_wait: Duration;
    pin: impl Into<Option<Duration>>;
    check_interval: Duration;
    check_timeout: Duration;
    dead_after: Duration;
    /// Zero is any lag, like `None`.
    max_lag: impl Into<Option<Duration>>;
    failover: Failover;
    failover_timeout: Duration;
    on_conflict: OnConflict;
    discovery: Discovery;
    retry_percent: u32;
    retries_per_second: u32;
    cached_text_limit: usize;
    warm_up_timeout: Duration;
    eject_first: Duration;
}

impl Builder {
    /// Sets the primary's URL.
    pub fn primary(self, url: impl Into<String>) -> Self {
        self.set_primary(Given::Text(url.into()))
    }

    /// Adds a replica: a URL, or `host[:port]` with the rest as the primary's; `?name=&weight=&zone=`.
    pub fn replica(mut self, item: impl Into<String>) -> Self {
        self.draft.replicas.push(Given::Text(item.into()));
        self
    }

    /// Adds several replicas, each as [`replica`](Self::replica) takes it.
    pub fn replicas<I>(self, items: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        items.into_iter().fold(self, Self::replica)
    }

    /// Adds a node that was made before, in its role.
    pub fn node(mut self, node: NodeConfig) -> Self {
        if node.role() == Role::Primary {
            return self.set_primary(Given::Node(node));
        }
        self.draft.replicas.push(Given::Node(node));
        self
    }

    /// Sets the primary's share of the reads beside the replicas.
    pub fn primary_weight(mut self, weight: u32) -> Self {
        self.draft.config.primary.weight = weight;
        self.draft.assigned.insert("primary_weight");
        self
    }

    /// Sets [`Config::cluster_name`].
    pub fn cluster_name(mut self, name: impl Into<String>) -> Self {
        self.draft.config.cluster_name = name.into();
        self.draft.assigned.insert("cluster_name");
        self
    }

    /// Sets [`Config::zone`].
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.draft.config.zone = Some(zone.into());
        self
    }

    /// Adds to [`Config::read_functions`].
    pub fn read_functions<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let names = names.into_iter().map(Into::into);
        self.draft.config.read_functions.extend(names);
        self
    }

    /// Adds to [`Config::primary_functions`].
    pub fn primary_functions<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let names = names.into_iter().map(Into::into);
        self.draft.config.primary_functions.extend(names);
        self
    }

    /// Leaves an SQLite file in its journal mode.
    pub fn keep_journal_mode(mut self) -> Self {
        self.draft.config.keep_journal_mode = true;
        self
    }

    /// Answers a full pool with SeaORM's own error, for code that compares it. Node and limit stand in a warning then.
    pub fn keep_seaorm_errors(mut self) -> Self {
        self.draft.config.keep_seaorm_errors = true;
        self
    }

    /// Takes a template for every node's connections, closures included.
    ///
    /// Its URL is the primary's unless [`primary`](Self::primary) gives one; of the values it sets, those that
    /// this builder sets too give way. Each node's own URL wins over it, parameter by parameter; what both URLs say
    /// alike, or the node's leaves out, is as the template's closures made it. A SQLite database that only the
    /// template names is opened once to read them, and not written; `sqlite::memory:` will do there.
    pub fn connect_options(mut self, options: impl Into<ConnectOptions>) -> Self {
        self.draft.set_template(options.into());
        self
    }

    /// Checks everything and makes the configuration.
    ///
    /// # Errors
    ///
    /// Every problem that was found.
    pub fn build(self) -> Result<Config, ConfigError> {
        self.draft.finish()
    }

    fn set_primary(mut self, given: Given) -> Self {
        if self.draft.primary.is_some() {
            self.draft.problems.add(PRIMARY, "is given more than once");
        }
        self.draft.primary = Some(given);
        self
    }
}

/// Shows what is set so far, but no URL: those are not read before [`build`](Builder::build).
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("has_primary", &self.draft.primary.is_some())
            .field("replicas", &self.draft.replicas.len())
            .field("assigned", &self.draft.assigned)
            .finish_non_exhaustive()
    }
}
