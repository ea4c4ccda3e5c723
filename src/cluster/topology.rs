//! The topology as plain data, for those who look.

use std::{fmt, time::Duration};

use super::shared::Shared;
use crate::{
    node::Node,
    snapshot::Snapshot,
    state::{Changes, ViewNode},
    vocabulary::{Flavour, Ineligible, NodeId, Role},
};

/// Every node and its state at one moment. As text it is one line, with the feature `serde` a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Topology {
    /// Counts the changes.
    pub version: u64,
    /// The greatest primaryship that was seen: PostgreSQL's timeline, where it is observed.
    pub epoch: Option<u64>,
    /// Which database system the servers are: what [`flavour`](crate::Config::flavour) says, else what the primary says;
    /// `None` where nobody has said it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub flavour: Option<Flavour>,
    /// The cluster sleeps ([`idle_after`](crate::Config::idle_after)): no connection is open, nobody is asked anything, and
    /// what the nodes were before it slept is not told.
    #[cfg_attr(feature = "serde", serde(default))]
    pub asleep: bool,
    /// The nodes, the primary among them.
    pub nodes: Vec<NodeStatus>,
}

/// One node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NodeStatus {
    /// The node's ordinal in this process; never used again.
    pub id: NodeId,
    /// The configured name (`?name=`), or the server's: the host, with the port where it is not the usual one, or the file.
    pub name: String,
    /// The node's host and port, or its file; empty where the application made the connection.
    pub host: String,
    /// The zone in which it stands (`?zone=`).
    #[cfg_attr(feature = "serde", serde(default))]
    pub zone: Option<String>,
    /// What the node is meant for (`?tags=`).
    #[cfg_attr(feature = "serde", serde(default))]
    pub tags: Vec<String>,
    /// What the node may do now.
    pub role: Role,
    /// The primaryship that it shows or follows (PostgreSQL's timeline); `None` where it is not known.
    pub epoch: Option<u64>,
    /// Which database system the node is; `None` where it has not said it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub flavour: Option<Flavour>,
    /// The most that it may be behind the primary, as a replica; `None` where it cannot be told.
    pub lag: Option<Duration>,
    /// How much of the primary's log it had not replayed when it was asked last, as a replica, in bytes of what the primary
    /// had written then; `None` where it cannot be told.
    pub lag_bytes: Option<u64>,
    /// Why it serves no balanced reads; `None` when it does. Always `None` of the primary.
    pub ineligible: Option<Ineligible>,
    /// Found dead, or under grave suspicion, until its next probe; also told of the primary.
    pub in_doubt: bool,
    /// Statements, streams and transactions on it.
    pub in_flight: u64,
    /// Connections of its pools that are open or being opened; 0 for one that the application made. A replica that may
    /// become the primary has one in its other pool, which no statement gets before that.
    pub connections: u32,
    /// How many pools it has had; a node found dead gets a new one.
    pub generation: u64,
}

impl Topology {
    pub(super) fn of(shared: &Shared) -> Self {
        let snapshot = shared.snapshot.load();
        // While nobody takes writes, nobody falls behind.
        let now = shared.origin.elapsed();
        let now = snapshot
            .view
            .none_since
            .map_or(now, |since| since.0.min(now));
        let nodes = snapshot.nodes().map(|node| NodeStatus {
            host: node.member.node.address(),
            lag: lag(now, node.seen, &node.member.node),
            lag_bytes: lag_bytes(node.seen, &node.member.node),
            in_flight: node.member.metrics.in_flight(),
            connections: node.pool_size().size,
            ..NodeStatus::seen(node.seen)
        });
        Self {
            version: snapshot.view.version,
            epoch: snapshot.view.epoch,
            flavour: snapshot.view.flavour,
            asleep: snapshot.view.asleep,
            nodes: nodes.collect(),
        }
    }
}

impl NodeStatus {
    /// What the reducer knows of it.
    fn seen(node: &ViewNode) -> Self {
        Self {
            id: node.id,
            name: node.name.to_string(),
            host: String::new(),
            zone: node.zone.as_deref().map(str::to_owned),
            tags: node.tags.iter().map(ToString::to_string).collect(),
            role: node.role,
            epoch: node.epoch,
            flavour: node.flavour,
            lag: None,
            lag_bytes: None,
            ineligible: node.shown().filter(|_| node.role != Role::Primary),
            in_doubt: node.in_doubt,
            in_flight: 0,
            connections: 0,
            generation: node.generation,
        }
    }
}

fn lag(now: Duration, node: &ViewNode, pool: &Node) -> Option<Duration> {
    let current_at = pool.lag.current_at().filter(|_| node.role == Role::Replica);
    current_at.map(|at| now.saturating_sub(at))
}

fn lag_bytes(node: &ViewNode, pool: &Node) -> Option<u64> {
    pool.lag.behind().filter(|_| node.role == Role::Replica)
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asleep {
            f.write_str("asleep; ")?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{node}")?;
        }
        Ok(())
    }
}

/// What [`replace_nodes`](crate::Cluster::replace_nodes) changed, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TopologyChange {
    /// New, or back after a removal.
    pub added: Vec<String>,
    /// No longer in the list; their ordinals, since their names may be taken again.
    pub removed: Vec<NodeId>,
    /// Nodes that are the same as before.
    pub kept: Vec<String>,
    /// Kept with their pools; name, weight, zone or tags changed.
    pub changed: Vec<String>,
    /// Replicas that are the primary, by name or address: left out.
    pub dropped: Vec<String>,
}

impl TopologyChange {
    pub(crate) fn of(changes: &Changes, snapshot: &Snapshot) -> Self {
        let name = |id: &NodeId| match snapshot.view.nodes().iter().find(|node| node.id == *id) {
            Some(node) => node.name.to_string(),
            None => id.to_string(),
        };
        let names = |ids: &[NodeId]| ids.iter().map(name).collect();
        Self {
            added: names(&changes.added),
            removed: changes.removed.clone(),
            kept: names(&changes.kept),
            changed: names(&changes.changed),
            dropped: changes.dropped.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.name, self.role)?;
        match &self.ineligible {
            // Its role has said so.
            Some(Ineligible::Fenced | Ineligible::Primary) => Ok(()),
            Some(why) => write!(f, ", {why}"),
            None if self.in_doubt => f.write_str(", in doubt"),
            None => Ok(()),
        }
    }
}
