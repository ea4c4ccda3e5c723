//! What happens to the topology, for those who subscribe.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream::BoxStream};
use tokio::sync::broadcast::{self, error::RecvError};

use super::log::rounded;
use crate::{
    state::{Notice, State},
    vocabulary::{EjectionCause, FenceReason, Ineligible, NodeId},
};

/// How many events wait for a subscriber that is slow.
const KEPT: usize = 256;

/// Something that happened to the topology. Nodes are called by their names.
///
/// As text it is one line; with the feature `serde` it is a map with the field `event`, and durations are seconds and
/// nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "event", rename_all = "snake_case")
)]
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
    /// This node and another one take writes on one timeline (see [`OnConflict`](crate::OnConflict)).
    Conflict {
        /// The name of one of the two.
        node: String,
    },
    /// The conflict is over: one of the two is a standby again, or was accepted as the primary.
    ConflictOver,
    /// The node answers and is not used.
    Fenced {
        /// The node's name.
        node: String,
        /// Why.
        reason: FenceReason,
    },
    /// The node is used again.
    Unfenced {
        /// The node's name.
        node: String,
    },
    /// The replica answers and serves no balanced reads any more. What has an event of its own (ejected, fenced,
    /// drained, removed, made the primary) is not told twice.
    LeftRotation {
        /// The node's name.
        node: String,
        /// Why; its word is the label `reason` of `sealane_node_eligible`.
        reason: Ineligible,
    },
    /// The replica serves balanced reads again.
    JoinedRotation {
        /// The node's name.
        node: String,
    },
    /// The node was found dead: it gets nothing until it answers.
    Ejected {
        /// The node's name.
        node: String,
        /// What was heard of it.
        cause: EjectionCause,
    },
    /// The node answers again; its share of reads grows step by step.
    Readmitted {
        /// The node's name.
        node: String,
        /// How long the node was away.
        after: Duration,
    },
    /// The node was silent for so long that what was in flight there has been ended.
    Dead {
        /// The node's name.
        node: String,
    },
    /// A write was refused as read only by the node held for the primary: a setting of the server, or a switch-over.
    PrimaryRefusesWrites {
        /// The node's name.
        node: String,
    },
    /// The node joined the list.
    Added {
        /// The node's name.
        node: String,
    },
    /// The node left the list; it may finish what it runs.
    Removed {
        /// The node's name.
        node: String,
    },
    /// Nothing is in flight on a drained node any more.
    Drained {
        /// The node's name.
        node: String,
    },
    /// Nothing was asked of the cluster for [`idle_after`](crate::Config::idle_after): it has closed its connections and
    /// asks no node anything, until the next statement.
    Asleep,
    /// A statement came, and every node was asked what it is.
    Awake,
    /// The subscriber was too slow: so many events are lost.
    Missed {
        /// How many.
        count: u64,
    },
}

impl fmt::Display for ClusterEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryChanged {
                node,
                epoch,
                without,
            } => {
                write!(f, "{node} is the primary now")?;
                if let Some(epoch) = epoch {
                    write!(f, " (timeline {epoch})")?;
                }
                match without {
                    Some(without) => write!(f, ", after {:?} without one", rounded(*without)),
                    None => Ok(()),
                }
            }
            Self::PrimaryLost => f.write_str("there is no primary: writes wait for one"),
            Self::Conflict { node } => {
                write!(f, "{node} and another node take writes on one timeline")
            }
            Self::ConflictOver => f.write_str("one node takes writes again"),
            Self::Fenced { node, reason } => write!(f, "{node} is fenced: {reason}"),
            Self::Unfenced { node } => write!(f, "{node} is fenced no more"),
            Self::LeftRotation { node, reason } => {
                write!(f, "{node} serves no balanced reads: {reason}")
            }
            Self::JoinedRotation { node } => write!(f, "{node} serves balanced reads again"),
            Self::Ejected { node, cause } => write!(f, "{node} was taken out: {cause}"),
            Self::Readmitted { node, after } => {
                write!(f, "{node} answers again, after {:?}", rounded(*after))
            }
            Self::Dead { node } => {
                write!(f, "{node} was silent for long: what ran there was cut off")
            }
            Self::PrimaryRefusesWrites { node } => {
                write!(f, "{node}, the primary, refuses writes as read only")
            }
            Self::Added { node } => write!(f, "{node} was added"),
            Self::Removed { node } => write!(f, "{node} was removed"),
            Self::Drained { node } => write!(f, "{node} is drained: nothing runs there"),
            Self::Asleep => f.write_str("the cluster sleeps: no connection is open"),
            Self::Awake => f.write_str("the cluster is awake: every node was asked what it is"),
            Self::Missed { count } => write!(f, "{count} events were missed"),
        }
    }
}

/// A subscription to a cluster's events, from [`Cluster::subscribe`](crate::Cluster::subscribe).
///
/// It is a [`Stream`], which ends when the cluster is closed or its last handle is gone. A subscriber that falls 256 events behind loses
/// the oldest, and is told so by [`ClusterEvent::Missed`].
///
/// The lock is for [`Sync`] alone: whoever polls has it for himself.
pub struct ClusterEvents(Mutex<BoxStream<'static, ClusterEvent>>);

impl ClusterEvents {
    fn of(receiver: broadcast::Receiver<ClusterEvent>) -> Self {
        let next = async |mut receiver: broadcast::Receiver<ClusterEvent>| {
            let event = match receiver.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(count)) => ClusterEvent::Missed { count },
                Err(RecvError::Closed) => return None,
            };
            Some((event, receiver))
        };
        // Fused: one that is asked again after its end says so again.
        let events = futures_util::stream::unfold(receiver, next).fuse();
        Self(Mutex::new(Box::pin(events)))
    }

    /// The next event; `None` when the cluster is closed or its last handle is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ClusterEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ClusterEvents {
    type Item = ClusterEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClusterEvent>> {
        let events = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        events.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for ClusterEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterEvents").finish_non_exhaustive()
    }
}

/// Where events are told; nothing once the cluster is closed.
pub(crate) struct Outlet(Mutex<Option<broadcast::Sender<ClusterEvent>>>);

impl Default for Outlet {
    fn default() -> Self {
        Self(Mutex::new(Some(broadcast::Sender::new(KEPT))))
    }
}

impl Outlet {
    fn sender(&self) -> MutexGuard<'_, Option<broadcast::Sender<ClusterEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the end a subscription is over at once.
    pub(super) fn subscribe(&self) -> ClusterEvents {
        let receiver = self.sender().as_ref().map(broadcast::Sender::subscribe);
        ClusterEvents::of(receiver.unwrap_or_else(|| broadcast::Sender::new(1).subscribe()))
    }

    /// Nothing is told any more: subscriptions end after what was told.
    pub(super) fn close(&self) {
        *self.sender() = None;
    }

    /// Tells it, when somebody listens. `gone`: what a node was called that the state has no more.
    pub(super) fn tell(
        &self,
        notice: &Notice,
        state: &State,
        gone: impl Fn(NodeId) -> Option<String>,
    ) {
        let sender = self.sender();
        let Some(sender) = sender.as_ref().filter(|sender| sender.receiver_count() > 0) else {
            return;
        };
        let name = |id: NodeId| {
            let known = state.node(id).map(|node| node.spec.name.to_string());
            known.or_else(|| gone(id)).unwrap_or_else(|| id.to_string())
        };
        if let Some(event) = event(notice, state, name) {
            // Nobody may be listening by now.
            let _ = sender.send(event);
        }
    }
}

fn event(notice: &Notice, state: &State, name: impl Fn(NodeId) -> String) -> Option<ClusterEvent> {
    Some(match notice {
        Notice::PrimaryIs { node, without } => ClusterEvent::PrimaryChanged {
            node: name(*node),
            epoch: state.timeline(state.primaryship.epoch),
            without: *without,
        },
        Notice::NoPrimary => ClusterEvent::PrimaryLost,
        Notice::Conflict { node } => ClusterEvent::Conflict { node: name(*node) },
        Notice::ConflictOver => ClusterEvent::ConflictOver,
        Notice::Fenced { node, cause } => ClusterEvent::Fenced {
            node: name(*node),
            reason: *cause,
        },
        Notice::Unfenced { node } => ClusterEvent::Unfenced { node: name(*node) },
        Notice::LeftRotation { node, why } => ClusterEvent::LeftRotation {
            node: name(*node),
            reason: *why,
        },
        Notice::JoinedRotation { node } => ClusterEvent::JoinedRotation { node: name(*node) },
        Notice::Ejected { node, cause } => ClusterEvent::Ejected {
            node: name(*node),
            cause: cause.ejection(),
        },
        Notice::Readmitted { node, after } => ClusterEvent::Readmitted {
            node: name(*node),
            after: *after,
        },
        Notice::Dead { node } => ClusterEvent::Dead { node: name(*node) },
        Notice::PrimaryRefusesWrites { node } => {
            ClusterEvent::PrimaryRefusesWrites { node: name(*node) }
        }
        Notice::Asleep => ClusterEvent::Asleep,
        Notice::Awake => ClusterEvent::Awake,
        Notice::Added { node } => ClusterEvent::Added { node: name(*node) },
        Notice::Removed { node } => ClusterEvent::Removed { node: name(*node) },
        Notice::Drained { node } => ClusterEvent::Drained { node: name(*node) },
        Notice::Suspected { .. }
        | Notice::Moved { .. }
        | Notice::Strays { .. }
        | Notice::Cleared { .. }
        | Notice::Crashed { .. }
        | Notice::Saturated { .. }
        | Notice::ProbeRejected { .. }
        | Notice::ProbeAdmitted { .. }
        | Notice::Withheld { .. }
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
