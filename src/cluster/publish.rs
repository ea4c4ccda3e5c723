//! Reads the counters of the nodes of the snapshot, for the publisher.

use super::shared::Shared;
use crate::metrics::{ClusterSums, NodeLabel, NodeSums, PoolSums};

/// The sums at this moment.
pub(super) fn sums(shared: &Shared) -> ClusterSums {
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.view.nodes().iter().zip(snapshot.members());
    let nodes = nodes.map(|(node, member)| {
        let pool = member
            .node
            .link
            .pool_size()
            .map_or_else(PoolSums::default, |pool| PoolSums {
                size: pool.size.into(),
                idle: pool.idle.into(),
                max: pool.max.into(),
            });
        NodeSums {
            id: node.id,
            label: NodeLabel::Name(node.name.clone()),
            role: node.role,
            in_flight: member.metrics.in_flight(),
            pool,
            totals: member.metrics.totals(),
        }
    });
    ClusterSums {
        nodes: nodes.collect(),
        counters: shared.metrics.totals(),
    }
}
