//! The parameters of a URL: our own, which no driver sees, and the driver's, with the meaning that sqlx gives them.
//!
//! What sqlx would read from the query (`host`, `user`, `password`, …) becomes a field of the URL here, so that
//! inheriting and comparing need to look at one place only. Parameters that the driver does not know are left out:
//! sqlx logs them with their values, and a misplaced password may be one of them.

use sea_orm::DbBackend;

use super::{Address, NodeUrl, shape, spelling};
use crate::config::kind::{self, SettingKind};
use crate::config::value::Value;

/// Our own parameters of a URL.
#[derive(Debug, Default)]
pub(in crate::config) struct Own {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) weight: Option<u32>,
    pub(in crate::config) zone: Option<String>,
    pub(in crate::config) tags: Vec<String>,
}

impl Own {
    /// Takes the parameter if it is one of ours.
    pub(in crate::config) fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "name" => self.name = Some(checked_name("name", value)?),
            "zone" => self.zone = Some(checked_name("zone", value)?),
            "tags" => self.add_tags(value)?,
            "weight" => self.weight = Some(weight(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tags with commas between them, or plus signs, which a URL may read as blanks: in a list of replicas a comma
    /// ends the item.
    fn add_tags(&mut self, value: &str) -> Result<(), String> {
        for tag in value.split([',', '+', ' ']) {
            if !self.tags.iter().any(|known| known == tag) {
                self.tags.push(tag.to_owned());
            }
        }
        kind::check_tags(&self.tags).map_err(|problem| format!("its {problem}"))
    }
}

fn checked_name(key: &str, value: &str) -> Result<String, String> {
    kind::check_name(value)
        .map(|()| value.to_owned())
        .map_err(|problem| format!("its {key} {problem}"))
}

fn weight(text: &str) -> Result<u32, String> {
    let value = SettingKind::Weight.parse(text);
    let value = value.and_then(|value| SettingKind::Weight.check(&value).map(|()| value));
    match value {
        Ok(Value::Count(weight)) => Ok(weight),
        Ok(_) => Err("its weight must be a number".to_owned()),
        Err(problem) => Err(format!("its weight {problem}")),
    }
}

/// Gives a parameter the meaning that the driver gives it.
///
/// Gives back a warning about one that it does not know.
pub(super) fn driver_parameter(
    url: &mut NodeUrl,
    key: &str,
    value: &str,
) -> Result<Option<String>, String> {
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
        super::PASSFILE if postgres => {
            if !value.contains('/') {
                return Err("has a passfile that is not the path of a file".to_owned());
            }
            url.parameters.push((key.to_owned(), value.to_owned()));
        }
        _ => {
            let warning = spelling::warning_for(url.backend, key, value)?;
            if warning.is_none() {
                url.parameters.push((key.to_owned(), value.to_owned()));
            }
            return Ok(warning);
        }
    }
    Ok(None)
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
