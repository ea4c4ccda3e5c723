//! The builder: one setter for each knob, and the same checks as everywhere.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sea_orm::ConnectOptions;

use super::draft::{Draft, Given};
use super::error::ConfigError;
use super::node::NodeConfig;
use super::source::SettingSource;
use super::table::{PRIMARY, settings};
use super::{Config, Discovery};
use crate::credentials::{Credentials, CredentialsProvider, CredentialsRequest};
use crate::vocabulary::{
    Consistency, Failover, Flavour, Mode, OnConflict, OnStale, Role, Scope, StatementLimit,
};

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
    (nodes $nodes:tt knobs {$(
        $variable:tt $field:ident: $type:tt = $default:expr, $kind:expr,
        $example:literal, $what:literal, $reason:literal $(, follows $followed:ident, $shown:literal)?;
    )+}) => {
        /// One setter for each knob.
        impl Builder {
            $(setters!(@one $variable $field $type);)+
        }
    };
    // A flag that only code can give is off unless it is asked for.
    (@one "" $field:ident [bool]) => {
        #[doc = concat!("Turns on [`Config::", stringify!($field), "`].")]
        pub fn $field(mut self) -> Self {
            self.draft.config.$field = true;
            self.draft.assigned.insert(stringify!($field));
            self
        }
    };
    (@one $variable:tt $field:ident [Vec<String>]) => {
        #[doc = concat!("Adds to [`Config::", stringify!($field), "`].")]
        pub fn $field<I>(mut self, names: I) -> Self
        where
            I: IntoIterator,
            I::Item: Into<String>,
        {
            let names = names.into_iter().map(Into::into);
            self.draft.config.$field.extend(names);
            self.draft.assigned.insert(stringify!($field));
            self
        }
    };
    (@one $variable:tt $field:ident [Option<String>]) => {
        setters!(@set $field, impl Into<String>, |value| Some(value.into()));
    };
    (@one $variable:tt $field:ident [Option<PathBuf>]) => {
        setters!(@set $field, impl Into<PathBuf>, |value| Some(value.into()));
    };
    (@one $variable:tt $field:ident [String]) => {
        setters!(@set $field, impl Into<String>, |value| value.into());
    };
    (@one $variable:tt $field:ident [Option<Duration>]) => {
        setters!(@set $field, impl Into<Option<Duration>>, |value| value.into());
    };
    (@one $variable:tt $field:ident [$type:ident]) => {
        setters!(@set $field, $type, |value| value);
    };
    (@set $field:ident, $type:ty, |$value:ident| $stored:expr) => {
        #[doc = concat!("Sets [`Config::", stringify!($field), "`].")]
        pub fn $field(mut self, $value: $type) -> Self {
            self.draft.config.$field = $stored;
            self.draft.assigned.insert(stringify!($field));
            self
        }
    };
}

settings!(setters);

impl Builder {
    /// Sets the primary's URL.
    pub fn primary(self, url: impl Into<String>) -> Self {
        self.set_primary(Given::Text(url.into()))
    }

    /// Adds a replica: a URL, or `host[:port]` with the rest as the primary's; `?name=&weight=&zone=&tags=`.
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

    /// Asks this function what each node's connections log in with, in the place of what their URLs say: a token of a
    /// cloud, a password of a vault. When it is asked says [`CredentialsProvider::new`]; what is connected stays connected,
    /// to the end of its [`max_lifetime`](Config::max_lifetime).
    ///
    /// ```no_run
    /// # async fn token_for(host: &str) -> Result<String, std::io::Error> { Ok(host.to_owned()) }
    /// use std::time::Duration;
    /// use sealane::{Credentials, RoutedConnection};
    ///
    /// # async fn start() -> Result<(), sealane::Error> {
    /// let db = RoutedConnection::builder()
    ///     .primary("postgres://app@db1/app?sslmode=verify-full")
    ///     .replica("db2")
    ///     .credentials(|request| async move {
    ///         let token = token_for(&request.host.unwrap_or_default()).await?;
    ///         Ok(Credentials::password(token).valid_for(Duration::from_secs(900)))
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn credentials<F, A>(mut self, ask: F) -> Self
    where
        F: Fn(CredentialsRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Credentials, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        self.draft.config.credentials = Some(CredentialsProvider::new(ask));
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

impl Config {
    /// A builder with one setter for each knob.
    pub fn builder() -> Builder {
        Builder::default()
    }
}
