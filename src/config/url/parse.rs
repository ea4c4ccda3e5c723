//! From a text to a [`NodeUrl`], with the meaning that sqlx gives to each part.
//!
//! The text's shape was judged before, so the parser cannot have taken a piece of the password for something else;
//! every message is a fixed text.

use sea_orm::DbBackend;

use super::parameters::{Own, driver_parameter};
use super::{Address, NodeUrl, shape, spelling};
use crate::config::redact::percent_decode;

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
        if key.is_empty() && !value.is_empty() || key.contains(['@', ':', '/']) {
            return Err("has text behind its `?` that is no parameter".to_owned());
        }
        if !parsed.own.take(&key, &value)? {
            let warning = driver_parameter(&mut parsed.url, &key, &value)?;
            parsed.warnings.extend(warning);
        }
    }
    if parsed.url.password.is_some()
        && parsed
            .url
            .parameters
            .iter()
            .any(|(key, _)| key == super::PASSFILE)
    {
        return Err("has a password and a passfile: keep one of them".to_owned());
    }
    // `mysql:///user:password?@host`: the name of a database is shown, so it must never be a user with a password.
    let database = parsed.url.database.as_deref().unwrap_or_default();
    if database.contains([':', '@']) {
        return Err(
            "has a `:` or `@` in the name of its database: user and password stand right behind `://`"
                .to_owned(),
        );
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
    let (mut kept, mut warnings) = (Vec::new(), Vec::new());
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value)?;
        if own.take(key, &value)? || pair.is_empty() {
            continue;
        }
        match spelling::warning_for(DbBackend::Sqlite, &decode(key)?, &value)? {
            None => kept.push(pair),
            // The driver would not.
            Some(warning) => warnings.push(warning),
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
        warnings,
    })
}

fn decode(text: &str) -> Result<String, String> {
    percent_decode(text).ok_or_else(|| "has percent-encoding that is not UTF-8".to_owned())
}
