//! Where a cluster is, as its owner wrote it: for telemetry, which names the whole of it and not the node of one statement.

use std::{net::Ipv6Addr, sync::Arc};

use sea_orm::DbBackend;

use super::{
    Config, Discovery, NodeConfig,
    url::{Address, NodeUrl, default_port, file},
};

/// The cluster's address. No user, no password and no parameter is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// The hosts in their order, separated by commas, or the name whose addresses are the nodes; none for a file, and for
    /// connections that the application made.
    pub(crate) address: Option<Arc<str>>,
    /// The port, where all nodes have the same one and it is not the usual one.
    pub(crate) port: Option<u16>,
    /// The database, with PostgreSQL's schema where one is configured; of SQLite the name of its file.
    pub(crate) namespace: Option<Arc<str>>,
}

impl Config {
    /// Where the cluster is, as configured.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let nodes: Vec<&NodeUrl> = std::iter::once(&self.primary)
            .chain(&self.replicas)
            .map(|node: &NodeConfig| &node.url)
            .collect();
        let mut hosts: Vec<String> = Vec::new();
        for host in nodes
            .iter()
            .filter_map(|url| url.peer())
            .map(|(host, _)| host)
        {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let address = match &self.discovery {
            Discovery::Dns(asked) if !asked.is_empty() => {
                let names = asked.rsplit_once('@').map_or(&**asked, |(names, _)| names);
                Some(names.to_owned())
            }
            _ => (!hosts.is_empty()).then(|| hosts.join(",")),
        };
        Endpoints {
            port: address.as_ref().and_then(|_| common_port(&nodes)),
            address: address.map(Into::into),
            namespace: self.primary.url.namespace().map(Into::into),
        }
    }
}

/// The port of all, where it is one and not the usual one.
fn common_port(nodes: &[&NodeUrl]) -> Option<u16> {
    let usual = default_port(nodes.first()?.backend());
    let port_of = |url: &NodeUrl| url.port().unwrap_or(usual);
    let first = port_of(nodes.first()?);
    let same = nodes.iter().all(|url| port_of(url) == first);
    (same && first != usual).then_some(first)
}

impl NodeUrl {
    /// The host or socket, and the port where there is one; none for a file, or where the URL names no host.
    pub(crate) fn peer(&self) -> Option<(String, Option<u16>)> {
        match &self.address {
            Address::Host { host, port } => {
                let host = host.as_deref().unwrap_or("localhost");
                // Brackets are the URL's and not the address's.
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                let host = match bare.parse::<Ipv6Addr>() {
                    Ok(_) => bare,
                    Err(_) => host,
                };
                let port = port.unwrap_or_else(|| default_port(self.backend));
                Some((host.to_owned(), Some(port)))
            }
            Address::Socket { path, .. } => Some((path.clone(), None)),
            Address::File(_) => None,
        }
    }

    fn namespace(&self) -> Option<String> {
        match &self.address {
            Address::File(text) if text.is_empty() => None,
            Address::File(text) => file(text).into_iter().next(),
            // Without a database PostgreSQL takes the user's name for it, which may be a forgotten secret.
            Address::Host { .. } | Address::Socket { .. } => {
                let database = self.database()?;
                let schema = self
                    .schema()
                    .filter(|_| self.backend == DbBackend::Postgres);
                Some(match schema {
                    Some(schema) => format!("{database}|{schema}"),
                    None => database.to_owned(),
                })
            }
        }
    }

    /// The first schema of the search path that the URL sets.
    fn schema(&self) -> Option<&str> {
        let path = self
            .parameters
            .iter()
            .find_map(|(key, value)| match &**key {
                "options[search_path]" => Some(value.as_str()),
                "options" => value.split_once("search_path=").map(|(_, path)| path),
                _ => None,
            })?;
        let first = path.split([',', ' ']).next()?.trim_matches('"');
        (!first.is_empty()).then_some(first)
    }
}
