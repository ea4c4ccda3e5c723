//! What the reducer has to say, for the log and the counters: changes at info, what wants a look at warn.

use super::nodes::Nodes;
use crate::{
    metrics::NodeCounter,
    state::{Fence, Notice, State},
    words::NodeId,
};

/// Says it.
pub(super) fn tell(notice: &Notice, state: &State, nodes: &Nodes) {
    let name = |id: NodeId| {
        let known = state.node(id).map(|node| node.spec.name.to_string());
        known.unwrap_or_else(|| id.to_string())
    };
    let count = |id: NodeId, what: NodeCounter| {
        if let Some(member) = nodes.member(id) {
            member.metrics.count(what);
        }
    };
    match notice {
        Notice::Ejected { node, cause } => {
            count(*node, NodeCounter::Ejection);
            tracing::warn!(node = name(*node), %cause, "ejected: it gets no statements until a probe succeeds");
        }
        Notice::Readmitted { node, after } => {
            count(*node, NodeCounter::Readmission);
            tracing::info!(
                node = name(*node),
                ?after,
                "re-admitted: its share of reads grows again"
            );
        }
        Notice::Dead { node } => tracing::warn!(
            node = name(*node),
            "still silent: what was in flight there is ended"
        ),
        Notice::Suspected { node, cause } => {
            tracing::debug!(node = name(*node), %cause, "in doubt until its next probe")
        }
        Notice::Cleared { node } => tracing::debug!(node = name(*node), "the doubt was unfounded"),
        Notice::Saturated { node } => {
            tracing::debug!(node = name(*node), "alive and short of connections")
        }
        Notice::ProbeRejected { node } => {
            tracing::warn!(node = name(*node), "answers its probe by letting nobody in")
        }
        Notice::Fenced {
            node,
            cause: Fence::NotInRecovery,
        } => tracing::warn!(
            node = name(*node),
            "fenced: it is configured as a replica and is not in recovery, so it may be a primary of its own; \
             check DATABASE_REPLICA_URLS"
        ),
        Notice::Fenced {
            node,
            cause: Fence::OtherCluster,
        } => tracing::warn!(
            node = name(*node),
            "fenced: its system identifier is not the primary's, so it belongs to another cluster; \
             check DATABASE_REPLICA_URLS"
        ),
        Notice::Unfenced { node } => tracing::info!(node = name(*node), "used again"),
        Notice::PrimaryInRecovery { node } => {
            tracing::warn!(
                node = name(*node),
                "the node configured as the primary is in recovery"
            );
        }
        Notice::PrimaryRefusesWrites { node } => tracing::warn!(
            node = name(*node),
            "the primary refuses writes: look for default_transaction_read_only, or for a switch-over"
        ),
        Notice::Draining { node } => {
            tracing::info!(node = name(*node), "drains: it gets nothing new")
        }
        Notice::Drained { node } => {
            tracing::info!(node = name(*node), "drained: nothing is in flight there")
        }
        Notice::Resumed { node } => tracing::info!(node = name(*node), "resumed"),
        Notice::DrainRefused { node } => tracing::warn!(node = name(*node), "cannot be drained"),
        Notice::SameAsPrimary { name } => tracing::warn!(
            node = &**name,
            "this replica is the primary: it is left out"
        ),
        Notice::Added { node } => tracing::info!(node = name(*node), "added"),
        Notice::Removed { node } => {
            tracing::info!(node = name(*node), "removed: it may finish what runs there")
        }
        Notice::Returned { node } => {
            tracing::info!(node = name(*node), "back before its pool was closed: kept")
        }
        Notice::Closed { node, hard: false } => tracing::info!(node = node.0, "closed"),
        Notice::Closed { node, hard: true } => {
            tracing::warn!(
                node = node.0,
                "closed hard: its drain time-out is over and statements were cut off"
            );
        }
        Notice::Stale { node } => tracing::trace!(node = name(*node), "old news"),
    }
}
