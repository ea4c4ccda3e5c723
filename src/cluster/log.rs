//! What the reducer has to say, for the log and the counters: changes at info, what wants a look at warn.

use super::nodes::Nodes;
use crate::{
    metrics::{ClusterCounter, ClusterMetrics, NodeCounter},
    state::{Notice, State},
    vocabulary::{FenceReason, NodeId},
};

/// Says it.
pub(super) fn tell(notice: &Notice, state: &State, nodes: &Nodes, metrics: &ClusterMetrics) {
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
        Notice::PrimaryIs { without, .. } => {
            metrics.count(ClusterCounter::PrimaryChange);
            without.map(|without| metrics.without_primary.record(without));
        }
        Notice::NoPrimary => metrics.count(ClusterCounter::PrimaryLoss),
        Notice::Conflict { .. } => metrics.count(ClusterCounter::Conflict),
        _ => {}
    }
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
        Notice::Crashed { node } => tracing::warn!(
            node = name(*node),
            "its server crashed and recovers: the statement that broke first is sent nowhere else, and its text is kept \
             away from the primary meanwhile; look into that server's log"
        ),
        Notice::Suspected { node, cause } => {
            tracing::debug!(node = name(*node), %cause, "in doubt until its next probe")
        }
        Notice::Moved { node } => tracing::warn!(
            node = name(*node),
            "connections to this node lead to another server than before: it was started again, its name has moved, or \
             several servers answer under it; what was open to it is opened anew"
        ),
        Notice::Cleared { node } => tracing::debug!(node = name(*node), "the doubt was unfounded"),
        Notice::Saturated { node } => {
            tracing::debug!(node = name(*node), "alive and short of connections")
        }
        Notice::ProbeRejected { node } => {
            tracing::warn!(
                node = name(*node),
                "refuses our logins: check the password, the role and pg_hba.conf; what is connected already is used on"
            )
        }
        Notice::Fenced {
            node,
            cause: FenceReason::NotInRecovery,
        } => tracing::warn!(
            node = name(*node),
            "fenced: it is configured as a replica and is not in recovery, so it may be a primary of its own; \
             check DATABASE_REPLICA_URLS"
        ),
        Notice::Fenced {
            node,
            cause: FenceReason::OtherCluster,
        } => tracing::warn!(
            node = name(*node),
            "fenced: its system identifier is not the primary's, so it belongs to another cluster; \
             check DATABASE_REPLICA_URLS"
        ),
        Notice::Fenced {
            node,
            cause: FenceReason::Stale,
        } => {
            let its = state.node(*node).and_then(|node| node.epoch.known());
            let primary = state.primaryship.primary.map(name);
            tracing::warn!(
                node = name(*node),
                "fenced: it still takes writes on timeline {}, and {} is the primary of timeline {}; what is written there \
                 will be lost: stop it and let it follow the new primary",
                its.unwrap_or_default(),
                primary.map_or_else(|| "another node".to_owned(), |name| format!("`{name}`")),
                state.primaryship.greatest.unwrap_or_default()
            )
        }
        Notice::Fenced {
            node,
            cause: FenceReason::Quarantined,
        } => tracing::warn!(
            node = name(*node),
            "fenced: it takes writes on a greater timeline than the primary, which is there, and nobody confirms it \
             (SEALANE_FAILOVER=confirmed): stop it, let the primary or another replica follow it, or accept it"
        ),
        Notice::Fenced {
            node,
            cause: FenceReason::Conflict,
        } => tracing::warn!(
            node = name(*node),
            "fenced: it takes writes in the same epoch as another primary"
        ),
        Notice::Fenced {
            node,
            cause: FenceReason::SameServer,
        } => tracing::warn!(
            node = name(*node),
            "fenced: it is the primary under another name; list each server once"
        ),
        Notice::PrimaryIs { node, without } => {
            tracing::info!(node = name(*node), ?without, "writes go there now")
        }
        Notice::NoPrimary => tracing::warn!(
            nodes = state.members().count(),
            "no node is known to be the primary: writes wait for one, for SEALANE_FAILOVER_TIMEOUT"
        ),
        Notice::Conflict { node } => tracing::error!(
            node = name(*node),
            "several primaries in one epoch, this one among them: nothing is written until one of them follows again, \
             or is accepted as the primary"
        ),
        Notice::ConflictOver => tracing::info!("the conflict of several primaries is over"),
        Notice::LeftRotation { node, why } => tracing::warn!(
            node = name(*node),
            "serves no reads: {why}; {}",
            why.advice()
        ),
        Notice::JoinedRotation { node } => tracing::info!(node = name(*node), "serves reads again"),
        Notice::Unfenced { node } => tracing::info!(node = name(*node), "used again"),
        Notice::PrimaryInRecovery { node } => {
            tracing::warn!(
                node = name(*node),
                "the node configured as the primary is in recovery"
            );
        }
        Notice::Hidden { node } => {
            let member = nodes.member(*node);
            let direct = member.and_then(|member| member.node.direct.as_deref());
            let role = direct.and_then(|direct| direct.url.user());
            let role = role.unwrap_or("this role");
            tracing::warn!(
                node = name(*node),
                "`{role}` may not see which primary a replica follows. After each promotion, replicas serve no reads of \
                 a session that wrote until the new primary and then they themselves have made a checkpoint \
                 (checkpoint_timeout); to spare that: GRANT pg_monitor TO {role}"
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
