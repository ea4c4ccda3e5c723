//! The topology as plain data, for those who look.

use std::fmt;

use crate::{
    snapshot::Snapshot,
    state::Changes,
    words::{NodeId, Role},
};

/// Every node and its state at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topology {
    /// Counts the changes.
    pub version: u64,
    /// The greatest primaryship that was seen: PostgreSQL's timeline, where it is observed.
    pub epoch: Option<u64>,
    /// The nodes, the primary among them.
    pub nodes: Vec<NodeStatus>,
}

/// One node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its ordinal in this process; never used again.
    pub id: NodeId,
    /// The configured name (`?name=`), or the server's: the host, with the port where it is not the usual one, or the file.
    pub name: String,
    /// What it may do now.
    pub role: Role,
    /// Why it serves no reads as a replica; `None` when it does.
    pub unused: Option<String>,
    /// Found dead, or in grave doubt, until its next probe; also told of the primary.
    pub in_doubt: bool,
    /// Statements, streams and transactions on it.
    pub in_flight: u64,
    /// Open connections of its pools; 0 for one that the application made. A replica that may become the primary has one
    /// in its other pool, which no statement gets before that.
    pub connections: u32,
    /// How many pools it has had; a node found dead gets a fresh one.
    pub generation: u64,
}

impl Topology {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let nodes = snapshot.view.nodes().iter().zip(snapshot.members());
        let nodes = nodes.enumerate().map(|(index, (node, member))| NodeStatus {
            id: node.id,
            name: node.name.to_string(),
            role: node.role,
            unused: node
                .ineligible
                .as_ref()
                .map(ToString::to_string)
                .filter(|_| node.role != Role::Primary),
            in_doubt: node.in_doubt,
            in_flight: member.metrics.in_flight(),
            connections: snapshot.pool_size(index).size,
            generation: node.generation,
        });
        Self {
            version: snapshot.view.version,
            epoch: snapshot.view.epoch,
            nodes: nodes.collect(),
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, node) in self.nodes.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{} is {}", node.name, node.role)?;
            match &node.unused {
                Some(why) => write!(f, ", {why}")?,
                None if node.in_doubt => f.write_str(", in doubt")?,
                None => {}
            }
        }
        Ok(())
    }
}

/// What [`replace_nodes`](crate::Cluster::replace_nodes) changed, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopologyChange {
    /// New, or back after a removal.
    pub added: Vec<String>,
    /// No longer in the list; their ordinals, since their names may be taken again.
    pub removed: Vec<NodeId>,
    /// The same as before.
    pub kept: Vec<String>,
    /// Kept with their pools; name, weight or zone changed.
    pub changed: Vec<String>,
    /// Replicas that are the primary, by name or place: left out.
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
