//! DNS: every address of a host, and every target of a service, is a node.
//!
//! Asked anew each time: what a name says is cached by whom the system asks, for as long as the name's owner allows (TTL),
//! and a cache of our own would add to that. See RFC 1035 (A), RFC 3596 (AAAA) and RFC 2782 (SRV).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType, rdata::SRV},
};

use super::{Answer, FoundNode, NoAnswer};
use crate::config::{Config, DnsName, DnsQuestion, NodeConfig};

/// All questions for one answer.
const LIMIT: Duration = Duration::from_secs(5);
/// One question to one server, asked twice at the most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who is asked, and how far that has come.
#[derive(Default)]
pub(super) struct KeptResolver(Option<TokioResolver>);

pub(super) async fn ask(
    config: &Config,
    asked: &str,
    kept: &mut KeptResolver,
) -> Result<Answer, NoAnswer> {
    let question: DnsQuestion = asked.parse().map_err(NoAnswer)?;
    let resolver = match kept.0.take() {
        Some(resolver) => resolver,
        None => resolver(question.server).map_err(|err| NoAnswer(format!("DNS: {err}")))?,
    };
    let answer = tokio::time::timeout(LIMIT, collect(config, &question, &resolver)).await;
    let answer =
        answer.unwrap_or_else(|_| Err(NoAnswer("DNS did not answer in time".to_owned())))?;
    // Only now: where nobody answers, the system may have another server to ask meanwhile.
    kept.0 = Some(resolver);
    Ok(answer)
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    (options.timeout, options.attempts) = (PATIENCE, 2);
    builder.build()
}

/// Every name has to answer, or there is no answer: a list without the nodes of one name would take them out of service.
async fn collect(
    config: &Config,
    question: &DnsQuestion,
    resolver: &TokioResolver,
) -> Result<Answer, NoAnswer> {
    let port = config.primary.url.port().unwrap_or(5432);
    let mut nodes = BTreeMap::new();
    if question.names.is_empty() {
        for node in std::iter::once(&config.primary).chain(&config.replicas) {
            let Some(host) = node.url.host() else {
                continue;
            };
            let port = node.url.port().unwrap_or(port);
            for address in addresses(resolver, host, port).await? {
                nodes.entry(address).or_insert_with(|| like(node));
            }
        }
    }
    for name in &question.names {
        if name.is_service() {
            service(resolver, name, question.server.is_some(), &mut nodes).await?;
            continue;
        }
        for address in addresses(resolver, &name.name, name.port.unwrap_or(port)).await? {
            nodes.entry(address).or_default();
        }
    }
    Ok(Answer {
        nodes: list(nodes),
        leader: None,
    })
}

/// In the order of their addresses, so that the same answer is the same list in whatever order it came. A name that
/// several would have is nobody's: they are called by their addresses.
fn list(nodes: BTreeMap<String, FoundNode>) -> Vec<FoundNode> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for found in nodes.values() {
        *count.entry(found.name.clone()).or_default() += 1;
    }
    let listed = |(address, mut found): (String, FoundNode)| {
        if count.get(&found.name).is_some_and(|count| *count > 1) {
            found.name.clear();
        }
        found.address = address;
        found
    };
    nodes.into_iter().map(listed).collect()
}

/// The addresses of a configured node's host have its name, its zone and its tags, and a replica's its weight.
fn like(node: &NodeConfig) -> FoundNode {
    let replica = node.role() == crate::vocabulary::Role::Replica;
    FoundNode {
        name: node.name.clone().unwrap_or_default(),
        weight: replica.then_some(node.weight),
        zone: node.zone.clone(),
        tags: node.tags.clone(),
        ..FoundNode::default()
    }
}

/// The targets of a service: by name, so that a certificate can be checked; by address where only the server that was
/// named knows them. Weights are shares of the reads where they differ from each other; priorities are not looked at.
async fn service(
    resolver: &TokioResolver,
    asked: &DnsName,
    by_address: bool,
    nodes: &mut BTreeMap<String, FoundNode>,
) -> Result<(), NoAnswer> {
    let records = lookup(resolver, &asked.name, RecordType::SRV).await?;
    let services: Vec<SRV> = records
        .into_iter()
        .filter_map(|data| match data {
            RData::SRV(service) if !service.target.is_root() => Some(service),
            _ => None,
        })
        .collect();
    let weights: BTreeSet<u16> = services.iter().map(|service| service.weight).collect();
    for service in &services {
        let target = text(&service.target);
        let label = target.split('.').next().unwrap_or_default();
        let found = FoundNode {
            name: label.to_owned(),
            weight: (weights.len() > 1).then(|| u32::from(service.weight).min(1000)),
            ..FoundNode::default()
        };
        let addresses = match by_address {
            true => addresses(resolver, &target, service.port).await?,
            false => BTreeSet::from([format!("{target}:{}", service.port)]),
        };
        for address in addresses {
            nodes.insert(address, found.clone());
        }
    }
    Ok(())
}

/// `address:port` for each address of a host. The second kind of address only where there is none of the first: a server
/// with one of each would be two nodes.
async fn addresses(
    resolver: &TokioResolver,
    host: &str,
    port: u16,
) -> Result<BTreeSet<String>, NoAnswer> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(BTreeSet::from([SocketAddr::new(ip, port).to_string()]));
    }
    for kind in [RecordType::A, RecordType::AAAA] {
        let records = lookup(resolver, host, kind).await?;
        let ips = records.into_iter().filter_map(|data| data.ip_addr());
        let addresses: BTreeSet<String> = ips
            .map(|ip| SocketAddr::new(ip, port).to_string())
            .collect();
        if !addresses.is_empty() {
            return Ok(addresses);
        }
    }
    Ok(BTreeSet::new())
}

/// Nothing where there certainly is nothing; a server that cannot tell is no answer.
async fn lookup(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<RData>, NoAnswer> {
    match resolver.lookup(name, kind).await {
        Ok(found) => Ok(found
            .answers()
            .iter()
            .map(|record| record.data.clone())
            .collect()),
        Err(err) if certainly_none(&err) => Ok(Vec::new()),
        Err(err) => Err(NoAnswer(format!("DNS, {kind} of {name}: {err}"))),
    }
}

/// The library calls a server's failure "no records" as well.
fn certainly_none(err: &NetError) -> bool {
    use hickory_resolver::{
        net::{DnsError, NoRecords},
        proto::op::ResponseCode,
    };
    matches!(
        err,
        NetError::Dns(DnsError::NoRecordsFound(NoRecords {
            response_code: ResponseCode::NoError | ResponseCode::NXDomain,
            ..
        }))
    )
}

fn text(name: &hickory_resolver::proto::rr::Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_several_would_have_is_nobodys() {
        let of = |(address, name): (&str, &str)| {
            let found = FoundNode {
                name: name.to_owned(),
                ..FoundNode::default()
            };
            (address.to_owned(), found)
        };
        let told = [("c:2", "c"), ("b:1", "b"), ("c:1", "c"), ("a:1", "")];
        let listed = list(told.map(of).into());
        let shown = listed
            .iter()
            .map(|found| (found.address.as_str(), found.name.as_str()));
        let wanted = [("a:1", ""), ("b:1", "b"), ("c:1", ""), ("c:2", "")];
        assert!(shown.eq(wanted), "{listed:?}");
    }
}
