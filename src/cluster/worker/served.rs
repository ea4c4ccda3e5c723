//! What each replica has answered from one look to the next, for the reducer to compare (R3).

use std::collections::HashMap;

use crate::{
    cluster::shared::Shared,
    metrics::Buckets,
    state::ServedReport,
    vocabulary::{NodeId, Role},
};

/// What every replica had answered by the last look.
#[derive(Default)]
pub(super) struct Served(HashMap<NodeId, Buckets>);

impl Served {
    /// What was answered since then; nothing where there is nobody to compare with.
    pub(super) fn look(&mut self, shared: &Shared) -> Vec<ServedReport> {
        let snapshot = shared.snapshot.load();
        let replicas = snapshot
            .nodes()
            .filter(|node| node.seen.role == Role::Replica);
        let now: HashMap<NodeId, Buckets> = replicas
            .map(|node| (node.seen.id, node.member.metrics.running()))
            .collect();
        let before = std::mem::replace(&mut self.0, now);
        if self.0.len() < 2 {
            return Vec::new();
        }
        let report = |(node, now): (&NodeId, &Buckets)| {
            let answered = now.since(before.get(node)?);
            Some(ServedReport {
                node: *node,
                statements: answered.count(),
                typical: answered.quantile(0.5).unwrap_or_default(),
            })
        };
        self.0.iter().filter_map(report).collect()
    }
}
