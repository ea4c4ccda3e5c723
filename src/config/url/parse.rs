//! From a text to a [`NodeUrl`], with the meaning that sqlx gives to each part.
//!
//! What sqlx would read from the query (`host`, `user`, `password`, …) becomes a field here, so inheriting and
//! comparing need to look at one place only. Parameters that the driver does not know are left out: sqlx logs
//! them with their values, and a misplaced password may be one of them.

use sea_orm::DbBackend;

use super::shape;
use super::{Address, NodeUrl};
use crate::config::kind::{self, Kind};
use crate::config::redact::percent_decode;
use crate::config::value::Value;

/// Our own parameters of a URL.
#[derive(Debug, Default)]
pub(in crate::config) struct Own {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) weight: Option<u32>,
    pub(in crate::config) zone: Option<String>,
}

impl Own {
    /// Takes the parameter if it is one of ours.
    pub(in crate::config) fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "name" => self.name = Some(checked_name("name", value)?),
            "zone" => self.zone = Some(checked_name("zone", value)?),
            "weight" => self.weight = Some(weight(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn checked_name(key: &str, value: &str) -> Result<String, String> {
    kind::check_name(value)
        .map(|()| value.to_owned())
        .map_err(|problem| format!("its {key} {problem}"))
}

fn weight(text: &str) -> Result<u32, String> {
    let value = Kind::Weight.parse(text);
    let value = value.and_then(|value| Kind::Weight.check(&value).map(|()| value));
    match value {
        Ok(Value::Count(weight)) => Ok(weight),
        Ok(_) => Err("its weight must be a number".to_owned()),
        Err(problem) => Err(format!("its weight {problem}")),
    }
}

/// A URL with what stood beside it.
pub(in crate::config) struct Parsed {
    pub(in crate::config) url: NodeUrl,
    pub(in crate::config) own: Own,
    pub(in crate::config) warnings: Vec<String>,
}

/// Reads a whole URL; the message of a refusal is a fixed text.
pub(in crate::config) fn parse(text: &str) -> Result<Parsed, String> {
    if text.chars().any(char::is_control) {
        return Err("has a line break or another control character".to_owned());
    }
    if let Some(file) = text.strip_prefix("sqlite:") {
        compiled_in(DbBackend::Sqlite)?;
        return sqlite(file);
    }
    let (scheme, rest) = shape::scheme(text)?;
    let backend = backend(scheme)?;
    compiled_in(backend)?;
    shape::check(rest)?;
    // The library's messages are fixed texts too.
    let url = url::Url::parse(text).map_err(|error| format!("is not a URL ({error})"))?;
    server(backend, &url)
}

fn backend(scheme: &str) -> Result<DbBackend, String> {
    match scheme.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" => Ok(DbBackend::Postgres),
        "mysql" => Ok(DbBackend::MySql),
        "mariadb" => Err("has the scheme mariadb, which is written mysql here".to_owned()),
        _ => Err(format!(
            "has an unknown scheme: a URL begins with {}",
            shape::SCHEMES
        )),
    }
}

/// The one place that knows which backends this build has.
fn compiled_in(backend: DbBackend) -> Result<(), String> {
    let (present, feature) = match backend {
        DbBackend::Postgres => (cfg!(feature = "postgres"), "postgres"),
        DbBackend::MySql => (cfg!(feature = "mysql"), "mysql"),
        _ => (cfg!(feature = "sqlite"), "sqlite"),
    };
    if present {
        Ok(())
    } else {
        Err(format!(
            "needs a backend that is not compiled in: enable the Cargo feature `{feature}` of sealane"
        ))
    }
}

fn server(backend: DbBackend, url: &url::Url) -> Result<Parsed, String> {
    let mut parsed = Parsed {
        url: NodeUrl {
            backend,
            address: address_of(url)?,
            user: Some(decode(url.username())?).filter(|user| !user.is_empty()),
            password: url.password().map(decode).transpose()?,
            database: Some(decode(url.path().trim_start_matches('/'))?)
                .filter(|database| !database.is_empty()),
            parameters: Vec::new(),
        },
        own: Own::default(),
        warnings: Vec::new(),
    };
    for (key, value) in url.query_pairs() {
        if !parsed.own.take(&key, &value)? {
            parameter(&mut parsed, &key, &value)?;
        }
    }
    Ok(parsed)
}

fn address_of(url: &url::Url) -> Result<Address, String> {
    let port = url.port();
    let host = url.host_str().filter(|host| !host.is_empty());
    let decoded = host.map(decode).transpose()?;
    Ok(match decoded {
        Some(path) if path.starts_with('/') => Address::Socket { path, port },
        Some(_) | None => Address::Host {
            host: host.map(str::to_owned),
            port,
        },
    })
}

/// Gives a parameter the meaning that the driver gives it.
fn parameter(parsed: &mut Parsed, key: &str, value: &str) -> Result<(), String> {
    let url = &mut parsed.url;
    let postgres = url.backend == DbBackend::Postgres;
    match key {
        "host" | "hostaddr" if postgres => {
            if value.contains(',') {
                return Err(shape::SEVERAL_HOSTS.to_owned());
            }
            let port = url.port();
            url.address = if value.starts_with('/') {
                let path = plain_path(value)?;
                Address::Socket { path, port }
            } else {
                let host = Some(plain_host(value)?);
                Address::Host { host, port }
            };
        }
        "socket" if !postgres => {
            let port = url.port();
            let path = plain_path(value)?;
            url.address = Address::Socket { path, port };
        }
        "port" if postgres => set_port(url, value)?,
        "dbname" if postgres => url.database = Some(value.to_owned()),
        "user" if postgres => url.user = Some(value.to_owned()),
        "password" if postgres => url.password = Some(value.to_owned()),
        _ if known(url.backend, key) => {
            url.parameters.push((key.to_owned(), value.to_owned()));
        }
        _ => parsed.warnings.push(ignored(key)),
    }
    Ok(())
}

/// A host that stood in a parameter, as it would stand in its usual place.
fn plain_host(value: &str) -> Result<String, String> {
    if value.contains(':') {
        return match value.parse::<std::net::Ipv6Addr>() {
            Ok(address) => Ok(format!("[{address}]")),
            Err(_) => Err("has a host that is neither a name nor an address".to_owned()),
        };
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if value.is_empty() || !value.chars().all(fits) {
        return Err("has a host that is neither a name nor an address".to_owned());
    }
    Ok(value.to_owned())
}

/// A path that swallowed the parameters behind it would show them.
fn plain_path(value: &str) -> Result<String, String> {
    if value.contains(['=', '&']) || value.is_empty() {
        return Err("has a socket that is not a path".to_owned());
    }
    Ok(value.to_owned())
}

fn set_port(url: &mut NodeUrl, value: &str) -> Result<(), String> {
    shape::check_host_and_port(&format!(":{value}"))?;
    match &mut url.address {
        Address::Host { port, .. } | Address::Socket { port, .. } => *port = value.parse().ok(),
        Address::File(_) => {}
    }
    Ok(())
}

/// The parameters that sqlx 0.9 reads and that are no fields here.
fn known(backend: DbBackend, key: &str) -> bool {
    match key {
        "sslmode"
        | "ssl-mode"
        | "ssl-ca"
        | "sslcert"
        | "ssl-cert"
        | "sslkey"
        | "ssl-key"
        | "statement-cache-capacity" => true,
        "sslrootcert" | "ssl-root-cert" | "application_name" | "options" => {
            backend == DbBackend::Postgres
        }
        "sslca" | "charset" | "collation" | "timezone" | "time-zone" => backend == DbBackend::MySql,
        _ => backend == DbBackend::Postgres && key.starts_with("options["),
    }
}

/// A parameter is named only if it is one that other drivers know; anything else may be a piece of a password.
fn ignored(key: &str) -> String {
    const ELSEWHERE: &[&str] = &[
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "connection_limit",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "load_balance_hosts",
        "passfile",
        "password",
        "pgbouncer",
        "pool_timeout",
        "schema",
        "service",
        "sslpassword",
        "target_session_attrs",
        "tcp_user_timeout",
    ];
    if ELSEWHERE.contains(&key) {
        format!("has the parameter {key}, which the driver does not know; it is ignored")
    } else {
        "has a parameter that the driver does not know; it is ignored".to_owned()
    }
}

/// An SQLite URL is not a URL but a prefix, a path and parameters, and sqlx reads it so.
fn sqlite(file: &str) -> Result<Parsed, String> {
    let (path, query) = match file.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (file, None),
    };
    if path
        .split_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
    {
        return Err("names a user and a server, and SQLite has files".to_owned());
    }
    let mut own = Own::default();
    let mut kept = Vec::new();
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !own.take(key, &decode(value)?)? && !pair.is_empty() {
            kept.push(pair);
        }
    }
    if path.trim_start_matches('/').is_empty() && kept.is_empty() {
        return Err("names no file: write sqlite://app.db?mode=rwc or sqlite::memory:".to_owned());
    }
    let query = if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    };
    Ok(Parsed {
        url: NodeUrl {
            backend: DbBackend::Sqlite,
            address: Address::File(format!("{path}{query}")),
            user: None,
            password: None,
            database: None,
            parameters: Vec::new(),
        },
        own,
        warnings: Vec::new(),
    })
}

fn decode(text: &str) -> Result<String, String> {
    percent_decode(text).ok_or_else(|| "has percent-encoding that is not UTF-8".to_owned())
}
