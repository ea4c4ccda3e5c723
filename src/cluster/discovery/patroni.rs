//! Patroni's REST interface: `GET /cluster` of any member tells all members and who holds the leader's key.
//!
//! See <https://patroni.readthedocs.io/en/latest/rest_api.html#cluster-status-endpoints>. Several addresses may be
//! given, separated by commas: the first that answers counts.

mod interface;

use serde::Deserialize;

use self::interface::Files;
use super::{Answer, FoundNode, NoAnswer};
use crate::config::Config;

#[derive(Deserialize)]
struct PatroniCluster {
    members: Vec<PatroniMember>,
}

#[derive(Deserialize)]
struct PatroniMember {
    name: String,
    role: String,
    #[serde(default)]
    state: String,
    host: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    tags: Tags,
}

/// What an administrator said of a member.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tags {
    noloadbalance: bool,
}

pub(super) async fn ask(config: &Config, urls: &str) -> Result<Answer, NoAnswer> {
    let mut why = NoAnswer("no address of Patroni is given".to_owned());
    let files = Files::of(config);
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let (url, files) = (
            format!("{}/cluster", url.trim_end_matches('/')),
            files.clone(),
        );
        let asked = tokio::task::spawn_blocking(move || get(&url, &files));
        match asked.await.map_err(|err| NoAnswer(err.to_string()))? {
            Ok(cluster) => return Ok(told(cluster)),
            Err(err) => why = err,
        }
    }
    Err(why)
}

fn get(url: &str, files: &Files) -> Result<PatroniCluster, NoAnswer> {
    let text = interface::get(url, files)?;
    serde_json::from_str(&text).map_err(|err| NoAnswer(format!("Patroni's answer: {err}")))
}

fn told(cluster: PatroniCluster) -> Answer {
    let leads = |member: &&PatroniMember| {
        matches!(member.role.as_str(), "leader" | "standby_leader") && member.state == "running"
    };
    let leader = cluster
        .members
        .iter()
        .find(leads)
        .map(|leader| leader.name.clone());
    let found = |member: PatroniMember| {
        let host = member.host?;
        // An IPv6 address needs brackets beside a port.
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host,
        };
        Some(FoundNode {
            name: member.name,
            address: member
                .port
                .map_or_else(|| host.clone(), |port| format!("{host}:{port}")),
            weight: member.tags.noloadbalance.then_some(0),
            ..FoundNode::default()
        })
    };
    let mut nodes: Vec<FoundNode> = cluster.members.into_iter().filter_map(found).collect();
    // In whatever order they come: the same members are the same list.
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Answer { nodes, leader }
}
