//! Patroni's REST interface: `GET /cluster` of any member tells all members and who holds the leader's key.
//!
//! See <https://patroni.readthedocs.io/en/latest/rest_api.html#cluster-status-endpoints>. Several addresses may be
//! given, separated by commas: the first that answers counts.

use std::time::Duration;

use serde::Deserialize;

use super::{Answer, FoundNode, NoAnswer};

/// One question, connecting included.
const LIMIT: Duration = Duration::from_secs(2);

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

pub(super) async fn ask(urls: &str) -> Result<Answer, NoAnswer> {
    let mut why = NoAnswer("no address of Patroni is given".to_owned());
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let url = format!("{}/cluster", url.trim_end_matches('/'));
        let asked = tokio::task::spawn_blocking(move || get(&url));
        match asked.await.map_err(|err| NoAnswer(err.to_string()))? {
            Ok(cluster) => return Ok(told(cluster)),
            Err(err) => why = err,
        }
    }
    Err(why)
}

fn get(url: &str) -> Result<PatroniCluster, NoAnswer> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .build()
        .into();
    let failed = |err: ureq::Error| NoAnswer(format!("Patroni: {err}"));
    let mut response = agent.get(url).call().map_err(failed)?;
    let text = response.body_mut().read_to_string().map_err(failed)?;
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
