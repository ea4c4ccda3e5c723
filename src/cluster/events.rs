//! What happens to the topology, for those who subscribe.

use std::{fmt, time::Duration};

use tokio::sync::broadcast::{self, error::RecvError};

use super::nodes::Nodes;
use crate::{
    state::{Fence, Notice, State},
    words::NodeId,
};

/// How many events wait for a subscriber that is slow.
const KEPT: usize = 256;

/// Something that happened to the topology. Nodes are called by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// Writes go to this node now.
    PrimaryChanged {
        /// The new primary.
        node: String,
        /// Which primaryship that is: the PostgreSQL timeline, where it is known.
        epoch: Option<u64>,
        /// How long there was no primary; `None` where there was one until now.
        without: Option<Duration>,
    },
    /// No node is known to take writes: they wait for one.
    PrimaryLost,
    /// This node and another one are primaries of one epoch (see [`OnConflict`](crate::OnConflict)).
    Conflict {
        /// One of them.
        node: String,
    },
    /// One of them follows again, or was accepted as the primary.
    ConflictOver,
    /// The node answers and is not used.
    Fenced {
        /// Its name.
        node: String,
        /// Why.
        why: &'static str,
    },
    /// It is used again.
    Unfenced {
        /// Its name.
        node: String,
    },
    /// The replica answers and serves no balanced reads any more. What has an event of its own (ejected, fenced,
    /// drained, removed, made the primary) is not told twice.
    LeftRotation {
        /// Its name.
        node: String,
        /// Why, as the label `reason` of `sealane_node_eligible` says it: `too_far_behind`, `not_receiving`,
        /// `older_epoch`, `other_cluster`, `ahead_of_the_primary`, `not_known_to_be_near`, `no_weight`, `serializable`.
        why: &'static str,
    },
    /// It serves them again.
    JoinedRotation {
        /// Its name.
        node: String,
    },
    /// The node was found dead: it gets nothing until it answers.
    Ejected {
        /// Its name.
        node: String,
        /// What was heard of it.
        cause: String,
    },
    /// It answers again; its share of reads grows step by step.
    Readmitted {
        /// Its name.
        node: String,
        /// How long it was away.
        after: Duration,
    },
    /// It was silent for so long that what was in flight there has been ended.
    Dead {
        /// Its name.
        node: String,
    },
    /// A write was refused as read only by the node held for the primary: a setting of the server, or a switch-over.
    PrimaryRefusesWrites {
        /// Its name.
        node: String,
    },
    /// The node joined the list.
    Added {
        /// Its name.
        node: String,
    },
    /// The node left the list; it may finish what it runs.
    Removed {
        /// Its name.
        node: String,
    },
    /// Nothing is in flight on a drained node any more.
    Drained {
        /// Its name.
        node: String,
    },
    /// The subscriber was too slow: so many events are lost.
    Missed {
        /// How many.
        count: u64,
    },
}

/// A subscription to a cluster's events, from [`Cluster::subscribe`](crate::Cluster::subscribe).
pub struct ClusterEvents(broadcast::Receiver<ClusterEvent>);

impl ClusterEvents {
    /// The next event; `None` when the cluster's last handle is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ClusterEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(count)) => Some(ClusterEvent::Missed { count }),
            Err(RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for ClusterEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterEvents").finish_non_exhaustive()
    }
}

/// Where events are told.
pub(crate) struct Outlet(broadcast::Sender<ClusterEvent>);

impl Default for Outlet {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl Outlet {
    pub(super) fn subscribe(&self) -> ClusterEvents {
        ClusterEvents(self.0.subscribe())
    }

    /// Tells it, when somebody listens.
    pub(super) fn tell(&self, notice: &Notice, state: &State, nodes: &Nodes) {
        if self.0.receiver_count() == 0 {
            return;
        }
        if let Some(event) = event(notice, state, nodes) {
            // Nobody may be listening by now.
            let _ = self.0.send(event);
        }
    }
}

fn event(notice: &Notice, state: &State, nodes: &Nodes) -> Option<ClusterEvent> {
    let name = |id: NodeId| {
        let known = state.node(id).map(|node| node.spec.name.to_string());
        known
            .or_else(|| nodes.member(id).map(|member| member.node.name.to_string()))
            .unwrap_or_else(|| id.to_string())
    };
    Some(match notice {
        Notice::PrimaryIs { node, without } => ClusterEvent::PrimaryChanged {
            node: name(*node),
            epoch: state.reign.epoch,
            without: *without,
        },
        Notice::NoPrimary => ClusterEvent::PrimaryLost,
        Notice::Conflict { node } => ClusterEvent::Conflict { node: name(*node) },
        Notice::ConflictOver => ClusterEvent::ConflictOver,
        Notice::Fenced { node, cause } => ClusterEvent::Fenced {
            node: name(*node),
            why: why(*cause),
        },
        Notice::Unfenced { node } => ClusterEvent::Unfenced { node: name(*node) },
        Notice::LeftRotation { node, why } => ClusterEvent::LeftRotation {
            node: name(*node),
            why: why.label(),
        },
        Notice::JoinedRotation { node } => ClusterEvent::JoinedRotation { node: name(*node) },
        Notice::Ejected { node, cause } => ClusterEvent::Ejected {
            node: name(*node),
            cause: cause.to_string(),
        },
        Notice::Readmitted { node, after } => ClusterEvent::Readmitted {
            node: name(*node),
            after: *after,
        },
        Notice::Dead { node } => ClusterEvent::Dead { node: name(*node) },
        Notice::PrimaryRefusesWrites { node } => {
            ClusterEvent::PrimaryRefusesWrites { node: name(*node) }
        }
        Notice::Added { node } => ClusterEvent::Added { node: name(*node) },
        Notice::Removed { node } => ClusterEvent::Removed { node: name(*node) },
        Notice::Drained { node } => ClusterEvent::Drained { node: name(*node) },
        Notice::Suspected { .. }
        | Notice::Cleared { .. }
        | Notice::Crashed { .. }
        | Notice::Saturated { .. }
        | Notice::ProbeRejected { .. }
        | Notice::Hidden { .. }
        | Notice::PrimaryInRecovery { .. }
        | Notice::Draining { .. }
        | Notice::Resumed { .. }
        | Notice::DrainRefused { .. }
        | Notice::SameAsPrimary { .. }
        | Notice::Returned { .. }
        | Notice::Closed { .. }
        | Notice::Stale { .. } => return None,
    })
}

const fn why(cause: Fence) -> &'static str {
    match cause {
        Fence::NotInRecovery => "configured as a replica, and not in recovery",
        Fence::OtherCluster => "of another cluster",
        Fence::Stale => "a primary of an epoch that is over",
        Fence::Quarantined => "a greater epoch than the primary's, for which nobody vouches",
        Fence::Conflict => "a primary of the same epoch as another one",
        Fence::SameServer => "the primary under another name",
    }
}
