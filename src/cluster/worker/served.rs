//! What each replica has answered from one look to the next, for the reducer to compare (R3).

use std::collections::HashMap;

use crate::{
    cluster::shared::Shared,
    metrics::StatementTimes,
    state::ServedReport,
    vocabulary::{NodeId, Role},
};

/// What every replica had answered by the last look.
#[derive(Default)]
pub(super) struct Served(HashMap<NodeId, StatementTimes>);

impl Served {
    /// What was answered since then.
    pub(super) fn look(&mut self, shared: &Shared) -> Vec<ServedReport> {
        let snapshot = shared.snapshot.load();
        let replicas = snapshot
            .nodes()
            .filter(|node| node.seen.role == Role::Replica);
        let now: HashMap<NodeId, StatementTimes> = replicas
            .map(|node| (node.seen.id, node.member.metrics.answered()))
            .collect();
        let before = std::mem::replace(&mut self.0, now);
        let report = |(node, now): (&NodeId, &StatementTimes)| {
            let before = before.get(node)?;
            let answered = now.running.since(&before.running);
            Some(ServedReport {
                node: *node,
                statements: answered.count(),
                failed: now.failed.saturating_sub(before.failed),
                typical: answered.quantile(0.5).unwrap_or_default(),
            })
        };
        self.0.iter().filter_map(report).collect()
    }
}
