//! What a server is called where nobody named it: by where it is.

use std::path::Path;

use sea_orm::DbBackend;

use super::{Address, NodeUrl};
use crate::config::redact::{mask, percent_decode};

impl NodeUrl {
    /// What its server may be called, the shortest first: the host, with the port where it is not the usual one, with
    /// the database where that tells two nodes apart. Of a file it is its name, then its whole path.
    pub(crate) fn called(&self) -> Vec<String> {
        let usual = default_port(self.backend);
        let database = self.database.as_deref();
        match &self.address {
            Address::Host { host, port } => {
                let host = host.as_deref().unwrap_or("localhost");
                at(host, port.unwrap_or(usual), usual, database)
            }
            Address::Socket { path, port } => at(path, port.unwrap_or(usual), usual, database),
            Address::File(text) => file(text),
        }
    }

    /// Host and port, or the socket or file, for messages; never user, database or parameters.
    pub(crate) fn whole_address(&self) -> String {
        match &self.address {
            Address::File(text) => file(text).pop().unwrap_or_default(),
            Address::Host { .. } | Address::Socket { .. } => {
                let whole = self.called().into_iter().nth(1);
                whole.unwrap_or_else(|| self.shown_address())
            }
        }
    }
}

/// The port that a URL without one means; 0 where there is none.
pub(in crate::config) fn default_port(backend: DbBackend) -> u16 {
    match backend {
        DbBackend::Postgres => 5432,
        DbBackend::MySql => 3306,
        _ => 0,
    }
}

/// A host or a socket, with its port and the usual one.
pub(crate) fn at(host: &str, port: u16, usual: u16, database: Option<&str>) -> Vec<String> {
    let host = match host.starts_with('/') {
        true => host.trim_end_matches('/').to_owned(),
        false => bracketed(&host.to_ascii_lowercase()),
    };
    let host = plain(host.trim_end_matches('.'));
    let whole = format!("{host}:{port}");
    let short = if port == usual { host } else { whole.clone() };
    let mut called = vec![short, whole.clone()];
    called.extend(database.map(|database| format!("{whole}/{}", plain(database))));
    called
}

/// `::1` as it stands in a URL.
fn bracketed(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    }
}

/// A SQLite database: what stands behind `sqlite:`.
pub(crate) fn file(text: &str) -> Vec<String> {
    let path = text.strip_prefix("//").unwrap_or(text);
    let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
    // As sqlx calls one in memory in a pool's options.
    let in_memory = path.starts_with("file:sqlx-in-memory-")
        || parameters.split('&').any(|pair| pair == "mode=memory");
    let path = percent_decode(path).unwrap_or_else(|| path.to_owned());
    if in_memory || path.is_empty() || path == ":memory:" {
        return vec!["memory".to_owned()];
    }
    let name = Path::new(&path).file_name();
    let name = name.map(|name| plain(&name.to_string_lossy()));
    name.into_iter().chain([plain(&path)]).collect()
}

/// On one line, and without what could be a password.
fn plain(text: &str) -> String {
    mask(text).replace(char::is_control, "?")
}
