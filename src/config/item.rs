//! One item of a list of replicas: a URL, or just `host[:port]`, either with our own parameters.
//!
//! Whatever an item leaves out comes from the primary's URL. The exception is the password: it is inherited only
//! together with its user, since it belongs to nobody else.

use super::node::NodeConfig;
use super::url::{self, Address, NodeUrl, Own};
use crate::config::redact::percent_decode;

/// An item that has the shape of one; what it leaves out is still missing.
pub(super) struct Item {
    own: Own,
    pub(super) warnings: Vec<String>,
    address: ItemAddress,
}

enum ItemAddress {
    Url(NodeUrl),
    Host { host: String, port: Option<u16> },
}

impl Item {
    /// Reads an item; the message of a refusal does not quote it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.starts_with("sqlite:") {
            let parsed = url::parse(text)?;
            return Ok(Self {
                own: parsed.own,
                warnings: parsed.warnings,
                address: ItemAddress::Url(parsed.url),
            });
        }
        Self::parse_host(text)
    }

    fn parse_host(text: &str) -> Result<Self, String> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        if address.contains('@') {
            return Err("has a user but no scheme: write a whole URL or just host[:port]; a comma or blank in a password is written %2C or %20".to_owned());
        }
        url::check_host_and_port(address)?;
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            Some(_) | None => (address, None),
        };
        check_host(host)?;
        let mut own = Own::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value).unwrap_or_default();
            if !own.take(key, &value)? {
                return Err(
                    "has a parameter other than name, weight, zone and tags: write a whole URL"
                        .to_owned(),
                );
            }
        }
        Ok(Self {
            own,
            warnings: Vec::new(),
            address: ItemAddress::Host {
                host: host.to_owned(),
                port,
            },
        })
    }

    /// Whether the item says nothing without a primary.
    pub(super) fn inherits(&self) -> bool {
        matches!(self.address, ItemAddress::Host { .. })
    }

    /// The replica, with what was left out filled in from the primary.
    pub(super) fn replica(mut self, primary: Option<&NodeConfig>) -> Result<NodeConfig, String> {
        let own = std::mem::take(&mut self.own);
        self.url(primary)
            .map(|url| NodeConfig::of_replica(url, own))
    }

    fn url(self, primary: Option<&NodeConfig>) -> Result<NodeUrl, String> {
        let primary = primary.map(|primary| &primary.url);
        match (self.address, primary) {
            (ItemAddress::Url(url), Some(primary)) if url.backend == primary.backend => {
                Ok(filled(url, primary))
            }
            (ItemAddress::Url(url), _) => Ok(url),
            (ItemAddress::Host { .. }, None) => Err(
                "has no scheme: without a primary to inherit from, write a whole URL".to_owned(),
            ),
            (ItemAddress::Host { .. }, Some(primary))
                if matches!(primary.address, Address::File(_)) =>
            {
                Err(super::check::SQLITE_REPLICA.to_owned())
            }
            (ItemAddress::Host { host, port }, Some(primary)) => {
                let url = NodeUrl {
                    backend: primary.backend,
                    address: Address::Host {
                        host: Some(host),
                        port,
                    },
                    user: None,
                    password: None,
                    database: None,
                    parameters: Vec::new(),
                };
                Ok(filled(url, primary))
            }
        }
    }
}

/// A name or address that is safe to show and to put into a URL.
fn check_host(host: &str) -> Result<(), String> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let fits = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    if fits {
        Ok(())
    } else {
        Err("is neither a URL nor host[:port]".to_owned())
    }
}

fn filled(mut url: NodeUrl, primary: &NodeUrl) -> NodeUrl {
    if url.user.is_none() || url.user == primary.user {
        url.user = url.user.or_else(|| primary.user.clone());
        // A file of its own is in the place of the primary's password.
        let has_file = url.passfile().is_some();
        let inherited = primary.password.clone().filter(|_| !has_file);
        url.password = url.password.or(inherited);
    }
    url.database = url.database.or_else(|| primary.database.clone());
    let inherited_port = primary.port();
    match &mut url.address {
        Address::Host { host: None, .. } => url.address = primary.address.clone(),
        Address::Host { port, .. } | Address::Socket { port, .. } => {
            *port = port.or(inherited_port);
        }
        Address::File(_) => {}
    }
    let inherited = primary
        .parameters
        .iter()
        .filter(|(key, _)| !url.parameters.iter().any(|(own, _)| own == key))
        .cloned();
    let inherited: Vec<_> = inherited.collect();
    url.parameters.splice(0..0, inherited);
    url
}
