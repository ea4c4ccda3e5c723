//! How long statements take on a replica beside the others (R3): what the answers to health checks do not show.
//!
//! Once a second the worker tells what each node has answered and how long that typically took. Replicas that are chosen
//! at random get the same kinds of statements, so one that takes several times as long as the fastest is slow itself: a
//! busy disk, a cold cache, a neighbour. Its capacity falls by as much. One that has answered too little to tell comes
//! halfway back each time, so that it is tried again.
//!
//! A smoothed time for each statement, read by every decision, was rejected: it costs all of them what a figure once a
//! second tells, and one long statement turns every decision away from its node.

use std::time::Duration;

use super::step::Step;
use crate::vocabulary::{NodeId, Role};

/// Fewer statements tell nothing.
const ENOUGH: u64 = 32;

/// A difference below this is the machine's own noise, however many times as long it is.
const NOISE: Duration = Duration::from_micros(250);

/// The slowest replica still has so small a part of the fastest one's reads, by which it is seen to have come back.
const MOST: u32 = 64;

/// What a node has answered since the last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServedReport {
    pub(crate) node: NodeId,
    pub(crate) statements: u64,
    /// The median time from sending to the answer.
    pub(crate) typical: Duration,
}

/// Compares the replicas by what they have served.
pub(super) fn compare(step: &mut Step<'_>, served: &[ServedReport]) {
    let tells = |report: &&ServedReport| {
        let node = step.state.node(report.node);
        report.statements >= ENOUGH && node.is_some_and(|node| node.role == Role::Replica)
    };
    let telling: Vec<ServedReport> = served.iter().filter(tells).copied().collect();
    let fastest = telling.iter().map(|report| report.typical).min();
    let mut changed = false;
    for node in &mut step.state.nodes {
        let before = node.condition.slowness;
        let report = telling.iter().find(|report| report.node == node.id);
        // Alone it is neither slow nor fast.
        let now = match (report, fastest) {
            (Some(report), Some(fastest)) if telling.len() > 1 => times(report.typical, fastest),
            _ => (before / 2).max(1),
        };
        node.condition.slowness = now;
        changed |= now != before;
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
