//! The URL of a node, taken apart once; whatever shows it shows no password.
//!
//! The password exists in one field with one reader, [`password`](NodeUrl::password). What SeaORM is given is
//! [`without_password`](NodeUrl::without_password), since its errors, its `Debug` and a span print URLs. Both are
//! built from the parts, never by cutting the text that was configured: a mistake in cutting would be a leak.

mod beside;
mod called;
mod parameters;
mod parse;
mod shape;
mod spelling;

use std::fmt;

use sea_orm::DbBackend;

#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use called::at;
#[cfg(feature = "otel")]
pub(super) use called::default_port;
#[cfg(any(feature = "sqlite", feature = "otel"))]
pub(crate) use called::file;
pub(super) use parameters::Own;
pub(super) use parse::parse;
pub(super) use shape::{check_host_and_port, each_host};

use super::redact::{mask, percent_encode};

/// The parameter that names a file of passwords, as libpq reads it.
const PASSFILE: &str = "passfile";

/// The parsed URL of a node.
///
/// `Display` and `Debug` give `postgres://user:***@host:5432/db`, without parameters. A user is hidden too if it
/// has no password, since what stands there alone may be a forgotten secret, or if it holds other characters than
/// letters, digits, `_`, `-` and `.`, since it may then be a URL's password that was taken for its user.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeUrl {
    pub(super) backend: DbBackend,
    pub(super) address: Address,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host; without one, whatever the driver takes for the local server.
    Host {
        host: Option<String>,
        port: Option<u16>,
    },
    /// A Unix socket: its folder for PostgreSQL, itself for MySQL.
    Socket { path: String, port: Option<u16> },
    /// An SQLite database: all behind `sqlite:`, with the driver's parameters.
    File(String),
}

/// One server and database, as far as names tell: two URLs with the same endpoint are the same node.
///
/// The database belongs to it, because a pooler serves different servers under different names of databases.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    server: String,
    /// Never shown: it may be the user's name, and that a forgotten secret.
    database: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.server))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl NodeUrl {
    /// Nothing to connect to.
    pub(super) fn nowhere() -> Self {
        Self {
            backend: DbBackend::Sqlite,
            address: Address::File(String::new()),
            user: None,
            password: None,
            database: None,
            parameters: Vec::new(),
        }
    }

    /// The backend that the scheme names.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.backend
    }

    /// The host; none for a socket, a file, or where the URL leaves it to the driver.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.address {
            Address::Host { host, .. } => host.as_deref(),
            Address::Socket { .. } | Address::File(_) => None,
        }
    }

    /// The port, if the URL or the one it inherits from has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.address {
            Address::Host { port, .. } | Address::Socket { port, .. } => *port,
            Address::File(_) => None,
        }
    }

    /// The name of the database on the server.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The role, decoded.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The file that holds the password, where the URL has none itself.
    pub(crate) fn passfile(&self) -> Option<&str> {
        let named = self.parameters.iter().find(|(key, _)| key == PASSFILE);
        named
            .filter(|_| self.password.is_none())
            .map(|(_, path)| path.as_str())
    }

    /// The password, decoded; for the driver's options and nothing else.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let port = self.port().unwrap_or(called::default_port(self.backend));
        // Both servers fall back to the user's name where no database is named; PostgreSQL even says so.
        let database = self.database.as_ref().or(self.user.as_ref());
        let server = match &self.address {
            Address::Host { host, .. } => {
                let host = host.as_deref().unwrap_or_default().to_ascii_lowercase();
                format!("{}:{port}", host.trim_end_matches('.'))
            }
            Address::Socket { path, .. } => format!("{}:{port}", path.trim_end_matches('/')),
            Address::File(text) => text.clone(),
        };
        Endpoint {
            server,
            database: database.cloned().unwrap_or_default(),
        }
    }

    /// The address for messages: host and port, or the file; never user, database or parameters.
    pub(crate) fn shown_address(&self) -> String {
        match &self.address {
            Address::Host { host, port } => {
                let host = host.as_deref().unwrap_or("the local server");
                port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
            }
            Address::Socket { path, .. } => path.clone(),
            Address::File(text) => mask(text),
        }
    }

    /// The URL for sqlx and SeaORM, without password and without our own parameters.
    pub(crate) fn without_password(&self) -> String {
        let scheme = scheme_of(self.backend);
        let mut parameters = self.parameters.clone();
        // The driver does not know it, and would log it.
        parameters.retain(|(key, _)| key != PASSFILE);
        let user = self.user.as_deref().map(percent_encode);
        let (host, port) = match &self.address {
            Address::File(text) => return format!("sqlite:{text}"),
            Address::Host { host, port } => (host.clone(), *port),
            Address::Socket { path, port } if self.backend == DbBackend::Postgres => {
                (Some(percent_encode(path)), *port)
            }
            Address::Socket { path, port } => {
                parameters.push(("socket".to_owned(), path.clone()));
                (Some("localhost".to_owned()), *port)
            }
        };
        // Without a host, a URL can name neither user nor port in their usual places.
        let authority = match (host, self.backend) {
            (Some(host), _) => authority(user, &host, port),
            (None, DbBackend::MySql) => authority(user, "localhost", port),
            (None, _) => {
                parameters.extend(self.user.clone().map(|user| ("user".to_owned(), user)));
                parameters.extend(port.map(|port| ("port".to_owned(), port.to_string())));
                String::new()
            }
        };
        let database = self.database.as_deref().map(percent_encode);
        let database = database.map_or_else(String::new, |name| format!("/{name}"));
        format!("{scheme}://{authority}{database}{}", query(&parameters))
    }
}

fn authority(user: Option<String>, host: &str, port: Option<u16>) -> String {
    let user = user.map_or_else(String::new, |user| format!("{user}@"));
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    format!("{user}{host}{port}")
}

fn query(parameters: &[(String, String)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(key, value)| format!("{}={}", percent_encode(key), percent_encode(value)))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

/// The scheme that SeaORM and sqlx both know.
pub(crate) fn scheme_of(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "postgres",
        DbBackend::MySql => "mysql",
        _ => "sqlite",
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = scheme_of(self.backend);
        let user = match (&self.user, &self.password) {
            (Some(user), Some(_)) if is_plain(user) => format!("{user}:***@"),
            (Some(_), _) | (None, Some(_)) => "***@".to_owned(),
            (None, None) => String::new(),
        };
        let database = percent_encode(self.database.as_deref().unwrap_or_default());
        match &self.address {
            Address::File(text) => write!(f, "sqlite:{}", mask(text)),
            Address::Host { host, port } => {
                let host = host.as_deref().unwrap_or_default();
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                write!(f, "{scheme}://{user}{host}{port}/{database}")
            }
            Address::Socket { path, .. } => {
                write!(f, "{scheme}://{user}/{database}?host={path}")
            }
        }
    }
}

fn is_plain(user: &str) -> bool {
    user.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeUrl({self})")
    }
}
