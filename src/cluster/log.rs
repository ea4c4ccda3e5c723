//! What the reducer has to say, for the log and the counters: changes at info, what wants a look at warn.
//!
//! A line names the node first, then what to do. Lines on one subject stand together: how nodes fare here, who is in the
//! list here as well, who takes writes and who is kept from it in `log::primary`.

mod primary;

use super::nodes::Nodes;
use crate::{
    metrics::{ClusterCounter, ClusterMetrics, NodeCounter},
    state::{Notice, State},
    vocabulary::NodeId,
};

/// What a line may have to look up.
pub(super) struct Log<'a> {
    pub(super) state: &'a State,
    pub(super) nodes: &'a Nodes,
    pub(super) metrics: &'a ClusterMetrics,
}

impl Log<'_> {
    /// Counts a notice and writes its line.
    pub(super) fn note(&self, notice: &Notice) {
        self.count(notice);
        match notice {
            Notice::Ejected { .. }
            | Notice::Readmitted { .. }
            | Notice::Dead { .. }
            | Notice::Crashed { .. }
            | Notice::Suspected { .. }
            | Notice::Cleared { .. }
            | Notice::Saturated { .. }
            | Notice::ProbeRejected { .. }
            | Notice::Moved { .. }
            | Notice::Stale { .. } => self.on_health(notice),
            Notice::Draining { .. }
            | Notice::Drained { .. }
            | Notice::Resumed { .. }
            | Notice::DrainRefused { .. }
            | Notice::SameAsPrimary { .. }
            | Notice::Added { .. }
            | Notice::Removed { .. }
            | Notice::Returned { .. }
            | Notice::Closed { .. } => self.on_members(notice),
            Notice::PrimaryIs { .. }
            | Notice::NoPrimary
            | Notice::Conflict { .. }
            | Notice::ConflictOver
            | Notice::PrimaryInRecovery { .. }
            | Notice::PrimaryRefusesWrites { .. }
            | Notice::Hidden { .. } => self.on_primary(notice),
            Notice::Fenced { node, cause } => self.on_fence(*node, *cause),
            Notice::Unfenced { node } => tracing::info!(
                node = self.name(*node),
                "no longer fenced: it is used again"
            ),
            Notice::LeftRotation { node, why } => tracing::warn!(
                node = self.name(*node),
                "serves no reads: {why}; {}",
                why.advice()
            ),
            Notice::JoinedRotation { node } => {
                tracing::info!(node = self.name(*node), "serves reads again");
            }
        }
    }

    /// What the node is called, or its number once it is gone.
    fn name(&self, id: NodeId) -> String {
        let known = self.state.node(id);
        known.map_or_else(|| id.to_string(), |node| node.spec.name.to_string())
    }

    fn count(&self, notice: &Notice) {
        match notice {
            Notice::PrimaryIs { without, .. } => {
                self.metrics.count(ClusterCounter::PrimaryChange);
                without.map(|without| self.metrics.without_primary.record(without));
            }
            Notice::NoPrimary => self.metrics.count(ClusterCounter::PrimaryLoss),
            Notice::Conflict { .. } => self.metrics.count(ClusterCounter::Conflict),
            Notice::Ejected { node, .. } => self.count_node(*node, NodeCounter::Ejection),
            Notice::Readmitted { node, .. } => self.count_node(*node, NodeCounter::Readmission),
            _ => {}
        }
    }

    fn count_node(&self, id: NodeId, what: NodeCounter) {
        if let Some(member) = self.nodes.member(id) {
            member.metrics.count(what);
        }
    }

    /// How connections to a node fare.
    fn on_health(&self, notice: &Notice) {
        match notice {
            Notice::Ejected { node, cause } => {
                tracing::warn!(node = self.name(*node), %cause, "ejected: it gets no statements until a probe succeeds");
            }
            Notice::Readmitted { node, after } => {
                tracing::info!(
                    node = self.name(*node),
                    ?after,
                    "re-admitted: its share of reads grows again"
                );
            }
            Notice::Dead { node } => tracing::warn!(
                node = self.name(*node),
                "still silent: what was in flight there is ended"
            ),
            Notice::Crashed { node } => tracing::warn!(
                node = self.name(*node),
                "its server crashed and recovers: the statement that broke first is sent nowhere else, and its text is kept \
             away from the primary meanwhile; look into that server's log"
            ),
            Notice::Suspected { node, cause } => {
                tracing::debug!(node = self.name(*node), %cause, "in doubt until its next probe")
            }
            Notice::Cleared { node } => {
                tracing::debug!(node = self.name(*node), "the doubt was unfounded")
            }
            Notice::Saturated { node } => {
                tracing::debug!(node = self.name(*node), "alive and short of connections")
            }
            Notice::ProbeRejected { node } => {
                tracing::warn!(
                    node = self.name(*node),
                    "refuses our logins: check the password, the role and pg_hba.conf; what is connected already is used on"
                )
            }
            Notice::Moved { node } => tracing::warn!(
                node = self.name(*node),
                "connections to this node lead to another server than before: it was started again, its name has moved, or \
             several servers answer under it; what was open to it is opened anew"
            ),
            Notice::Stale { node } => tracing::trace!(node = self.name(*node), "old news"),
            _ => {}
        }
    }

    /// Who is in the list.
    fn on_members(&self, notice: &Notice) {
        match notice {
            Notice::Draining { node } => {
                tracing::info!(node = self.name(*node), "drains: it gets nothing new")
            }
            Notice::Drained { node } => {
                tracing::info!(
                    node = self.name(*node),
                    "drained: nothing is in flight there"
                )
            }
            Notice::Resumed { node } => tracing::info!(
                node = self.name(*node),
                "resumed after a drain: it gets statements again"
            ),
            Notice::DrainRefused { node } => {
                tracing::warn!(
                    node = self.name(*node),
                    "cannot be drained: it is the primary, or no node of the list"
                )
            }
            Notice::SameAsPrimary { name } => tracing::warn!(
                node = &**name,
                "this replica is the primary: it is left out"
            ),
            Notice::Added { node } => tracing::info!(node = self.name(*node), "added to the nodes"),
            Notice::Removed { node } => {
                tracing::info!(
                    node = self.name(*node),
                    "removed: it may finish what runs there"
                )
            }
            Notice::Returned { node } => {
                tracing::info!(
                    node = self.name(*node),
                    "back in the list before its pool was closed: the pool is kept"
                )
            }
            Notice::Closed { node, hard: false } => {
                tracing::info!(node = node.0, "its pool is closed")
            }
            Notice::Closed { node, hard: true } => {
                tracing::warn!(
                    node = node.0,
                    "its pool was closed with statements still running there, which were cut off: SEALANE_DRAIN_TIMEOUT is over"
                );
            }
            _ => {}
        }
    }
}
