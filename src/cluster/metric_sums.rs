//! Reads the counters of the nodes of the snapshot, for the exporter.

use super::shared::Shared;
use crate::{
    metrics::{ClusterCounter, ClusterSums, NodeSums, Observed, PoolSums},
    state::{Moment, State},
    vocabulary::{Ineligible, NodeId, Role},
};

/// The sums at this moment.
pub(super) fn sums(shared: &Shared, state: &State) -> ClusterSums {
    let now = Moment(shared.origin.elapsed());
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.nodes().map(|node| {
        let (pool, member, node) = (node.pool_size(), node.member, node.seen);
        let pool = PoolSums {
            size: pool.size.into(),
            idle: pool.idle.into(),
            max: pool.max.into(),
        };
        let mut totals = member.metrics.totals();
        member
            .node
            .replayed
            .reached()
            .sum_into(&mut totals.replaying);
        NodeSums {
            id: node.id,
            label: std::sync::Arc::clone(&node.name),
            role: node.role,
            in_flight: member.metrics.in_flight(),
            statement_limit: member.node.statement_limit().into(),
            pool,
            observed: observed(state, now, node.id, node.shown()),
            totals,
        }
    });
    let nodes: Vec<NodeSums> = nodes.collect();
    let mut counters = shared.telemetry.metrics.totals();
    // A look-up counts as a hit where it happens, since that is sharded and a miss is rare.
    let misses = shared.judging.classifier.misses();
    let hits = &mut counters[ClusterCounter::CacheHit as usize];
    *hits = hits.saturating_sub(misses);
    counters[ClusterCounter::CacheMiss as usize] = misses;
    counters[ClusterCounter::PositionLost as usize] = shared.clock.writes.positions_lost();
    let mut sums = ClusterSums {
        nodes,
        counters,
        open_writes: shared.clock.writes.open_writes(),
        epoch: state
            .timeline(state.primaryship.seen.greatest)
            .unwrap_or_default(),
        asleep: state.sleeping.asleep,
        has_primary: state.primaryship.primary.is_some(),
        waiters: shared.admission.waiting().into(),
        retry_budget: shared.admission.retries_left(now),
        tracked_tasks: u64::try_from(shared.clock.tasks.len()).unwrap_or(u64::MAX),
        ..ClusterSums::default()
    };
    shared
        .telemetry
        .metrics
        .stale_waits
        .sum_into(&mut sums.stale_waits);
    let without = &shared.telemetry.metrics.without_primary;
    without.sum_into(&mut sums.without_primary);
    shared.clock.writes.covering().sum_into(&mut sums.covering);
    sums
}

/// What probes have found of a node.
fn observed(state: &State, now: Moment, id: NodeId, why: Option<Ineligible>) -> Observed {
    let Some(node) = state.node(id) else {
        return Observed::default();
    };
    let replica = node.role == Role::Replica;
    Observed {
        healthy: !node.is_in_doubt() && !node.condition.rejected,
        eligible: why.map_or(Ineligible::ELIGIBLE, Ineligible::as_str),
        lag: node
            .lag_at(state.primaryship.none_since.unwrap_or(now))
            .filter(|_| replica),
        bytes: state.bytes_behind(node).filter(|_| replica),
    }
}

/// How many statements were counted so far, on the nodes of the snapshot.
pub(super) fn requests(shared: &Shared) -> u64 {
    let snapshot = shared.snapshot.load();
    snapshot
        .nodes()
        .map(|node| node.member.metrics.totals().statements())
        .sum()
}
