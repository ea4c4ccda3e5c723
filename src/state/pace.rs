//! How long statements take on a replica beside the others (R3): what the answers to health checks do not show.
//!
//! Once a second the worker tells what each node has answered and how long that typically took. Replicas of one zone with
//! the same tags get the same kinds of statements, since they are chosen at random; so one that takes several times as long
//! as the fastest of them is slow itself: a busy disk, a cold cache, a neighbour. Its capacity falls by as much. What comes
//! back comes halfway each time: one that was slow from the load alone would swing, and one that has answered too little to
//! tell is tried again so.
//!
//! A smoothed time for each statement, read by every decision, was rejected: it costs all of them what a figure once a
//! second tells, and one long statement turns every decision away from its node.

use std::time::Duration;

use super::{NodeState, step::Step};
use crate::vocabulary::{NodeId, Role};

/// Fewer statements tell nothing, unless they took more than a second together.
const ENOUGH: u64 = 32;
const LONG: Duration = Duration::from_secs(1);

/// A difference below this is the machine's own noise, however many times as long it is.
const NOISE: Duration = Duration::from_micros(250);

/// The slowest replica still has so small a part of the fastest one's reads, by which it is seen to have come back.
const MOST: u32 = 64;

/// What a node has answered since the last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServedReport {
    pub(crate) node: NodeId,
    pub(crate) statements: u64,
    /// Statements among these that failed.
    pub(crate) failed: u64,
    /// The median time from sending to the answer.
    pub(crate) typical: Duration,
}

impl ServedReport {
    /// Whether the report tells how fast the node is. What fails at once is not fast.
    fn tells(&self) -> bool {
        let count = u32::try_from(self.statements).unwrap_or(u32::MAX);
        let enough = self.statements >= ENOUGH || self.typical.saturating_mul(count) >= LONG;
        enough && self.failed.saturating_mul(4) <= self.statements
    }
}

/// Compares the replicas by what they have served.
pub(super) fn compare(step: &mut Step<'_>, served: &[ServedReport]) {
    let state = &*step.state;
    let replica = |id: NodeId| state.node(id).filter(|node| node.role == Role::Replica);
    let telling: Vec<(&NodeState, Duration)> = served
        .iter()
        .filter(|report| report.tells())
        .filter_map(|report| Some((replica(report.node)?, report.typical)))
        .collect();
    let slowness = |node: &NodeState| {
        let returns = (node.condition.slowness / 2).max(1);
        let own = telling.iter().find(|(told, _)| told.id == node.id);
        let alike = |(told, _): &&(&NodeState, Duration)| {
            told.spec.zone == node.spec.zone && told.spec.tags == node.spec.tags
        };
        let fastest = telling.iter().filter(alike).map(|(_, typical)| *typical);
        match (own, fastest.min()) {
            (Some((_, typical)), Some(fastest)) => times(*typical, fastest).max(returns),
            _ => returns,
        }
    };
    let now: Vec<u32> = state.nodes.iter().map(slowness).collect();
    let mut changed = false;
    for (node, now) in step.state.nodes.iter_mut().zip(now) {
        changed |= std::mem::replace(&mut node.condition.slowness, now) != now;
    }
    if changed {
        step.out.publish();
    }
}

/// How many times as long as the fastest, in whole times: less than twice is no difference.
fn times(typical: Duration, fastest: Duration) -> u32 {
    let times = (typical + NOISE).as_micros() / (fastest + NOISE).as_micros();
    u32::try_from(times).unwrap_or(MOST).clamp(1, MOST)
}
