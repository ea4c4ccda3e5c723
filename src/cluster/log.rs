//! What the reducer has to say, for the log and the counters: changes at info, what wants a look at warn.
//!
//! The end of what was told at warn is told at warn too, with `recovered`: whoever keeps a log from warn up would take a node
//! for down that has been back for hours.
//!
//! A line names the node first, then what to do. Lines on one subject stand together: how nodes fare here, who is in the
//! list here as well, who takes writes and who is kept from it in `log::primary`.

mod primary;

use std::time::Duration;

use super::nodes::Nodes;
use crate::{
    metrics::{ClusterCounter, ClusterMetrics, NodeCounter},
    signal,
    state::{Notice, State},
    vocabulary::{Ineligible, NodeId, Role},
};

/// A time in whole milliseconds: nobody reads nanoseconds.
pub(super) fn rounded(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

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
            | Notice::ProbeAdmitted { .. }
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
            | Notice::Strays { .. }
            | Notice::Withheld { .. } => self.on_primary(notice),
            Notice::Fenced { node, cause } => self.on_fence(*node, *cause),
            Notice::Unfenced { node } => tracing::warn!(
                node = self.name(*node),
                recovered = true,
                "no longer fenced: it is used again"
            ),
            Notice::Asleep => tracing::info!(
                "asleep: nothing ran for as long as SEALANE_IDLE_AFTER says, so every connection is closed and no node is asked \
                 anything until the next statement"
            ),
            Notice::Awake => {
                tracing::info!("awake: something is to run, and every node was asked what it is");
            }
            Notice::LeftRotation { node, why } => self.on_left_rotation(*node, *why),
            Notice::JoinedRotation { node } => {
                tracing::warn!(
                    node = self.name(*node),
                    recovered = true,
                    "serves reads again"
                );
            }
        }
    }

    /// What the node is called, or its number once it is gone.
    fn name(&self, id: NodeId) -> String {
        let known = self.state.node(id).map(|node| node.spec.name.to_string());
        let open = || Some(self.nodes.member(id)?.node.name.to_string());
        known.or_else(open).unwrap_or_else(|| id.to_string())
    }

    /// What the node said last, with what to look at.
    fn told_last(&self, id: NodeId) -> Option<String> {
        let answer = self.nodes.member(id)?.node.trouble.recent()?;
        Some(signal::told(&answer))
    }

    /// A replica serves no reads any more.
    fn on_left_rotation(&self, id: NodeId, why: Ineligible) {
        let behind = self
            .state
            .node(id)
            .filter(|_| why == Ineligible::TooFarBehind);
        let bytes = behind.and_then(|node| self.state.bytes_behind(node));
        let limit = behind.and(self.state.tuning.max_lag);
        tracing::warn!(
            node = self.name(id),
            bytes_behind = bytes,
            max_lag = limit.map(tracing::field::debug),
            "serves no {}: {why}; {}",
            match why {
                Ineligible::EpochUntold => "reads but eventual ones and those of replica() handles",
                _ => "reads",
            },
            why.advice()
        );
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
                let told = self.told_last(*node);
                tracing::warn!(
                    node = self.name(*node),
                    %cause,
                    last_answer = told.map(tracing::field::display),
                    "taken out: it gets no statements until it answers again; look whether its server runs and can be reached"
                );
            }
            Notice::Readmitted { node, after } => self.on_readmitted(*node, *after),
            Notice::Dead { node } => tracing::warn!(
                node = self.name(*node),
                "neither an answer nor a connection for {:?} (SEALANE_DEAD_AFTER): whatever ran there was cut off; of writes among it, if there were \
                 any, nobody knows whether they were executed",
                self.state.tuning.ejection.dead_after
            ),
            Notice::Crashed { node } => tracing::warn!(
                node = self.name(*node),
                "its server crashed and recovers: the statement that broke first is sent nowhere else, and its text is kept \
             away from the primary meanwhile; look into that server's log"
            ),
            Notice::Suspected { node, cause } => {
                tracing::debug!(node = self.name(*node), %cause, "suspected until its next probe")
            }
            Notice::Cleared { node } => {
                tracing::debug!(node = self.name(*node), "the suspicion was unfounded")
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
            Notice::ProbeAdmitted { node } => tracing::warn!(
                node = self.name(*node),
                recovered = true,
                "accepts our logins again"
            ),
            Notice::Moved { node } => tracing::warn!(
                node = self.name(*node),
                "connections to this node lead to another server than before: it was started again, its name has moved, or \
             several servers answer under it; what was open to it is opened anew"
            ),
            Notice::Stale { node } => tracing::trace!(node = self.name(*node), "old news"),
            _ => {}
        }
    }

    /// A node that was taken out is back.
    fn on_readmitted(&self, id: NodeId, after: Duration) {
        let role = self.state.node(id).map(|node| node.role);
        let after = rounded(after);
        tracing::warn!(
            node = self.name(id),
            recovered = true,
            ?after,
            "answers again{}",
            match role {
                Some(Role::Replica) => ": its share of reads grows step by step (SEALANE_RAMP_UP)",
                _ => "",
            }
        );
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
                "this replica is the primary: it is left out; list each server once in DATABASE_REPLICA_URLS"
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
            Notice::Closed { node, cut: false } => {
                tracing::info!(node = self.name(*node), "removed: its pool is closed")
            }
            Notice::Closed { node, cut: true } => {
                tracing::warn!(
                    node = self.name(*node),
                    "removed, and SEALANE_DRAIN_TIMEOUT ({:?}) is over: what still ran there was cut off",
                    self.state.tuning.drain_timeout
                );
            }
            _ => {}
        }
    }
}
