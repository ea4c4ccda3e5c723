//! A half-open circuit breaker for each node: ejection, suspicion, re-admission, ramp-up (R8).
//!
//! The reducer calls it for what statements, probes and time bring; its effects ask for probes and new pools.
//! The statement path only reports; what a report means for the node is decided here, once, and only for the present
//! generation (T10). Overload is not death (T10), and a pool that is full says nothing of its server (R4).
//! A node found dead gets another generation at once, so that connections that broke with it never come back.

use std::time::Duration;

use super::backoff::{CONNECT_EVERY, backoff, is_silence};
use super::step::Step;
use super::{Effect, Moment, NodeHealth, NodeState, Notice, Outage, Ran, Suspicion, Tuning, crash};
use crate::signal::Signal;
use crate::vocabulary::{NodeId, Role, Stage};

/// How long a node that is short of connections is avoided: long enough for connections to come back, short enough not to
/// idle a node that has recovered.
const SATURATION: Duration = Duration::from_millis(250);

/// What a failed statement says about its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    None,
    /// Look at it soon; it stays in use.
    Ask,
    /// Do not use it until it was looked at, at once.
    GraveSuspicion,
    /// Alive and full.
    Full,
    Dead,
}

fn blame(signal: Signal, stage: Stage, role: Role) -> Blame {
    let replica = role != Role::Primary;
    // Whatever keeps a replica from giving a connection, reads must not run into it again.
    let unreachable = replica && stage == Stage::Acquire;
    match signal {
        Signal::Disconnected
        | Signal::Refused
        | Signal::Starting
        | Signal::Recovering
        | Signal::Stopping => Blame::Dead,
        // Without a session there is nothing to end: it lets nobody in.
        Signal::SessionLost if stage == Stage::Acquire => Blame::Dead,
        Signal::Terminated => Blame::GraveSuspicion,
        // Busy is not broken (R4); what is behind a pool that gives nothing, the node's own probes find out.
        Signal::Overloaded | Signal::AcquireTimeout if replica => Blame::Full,
        Signal::AcquireTimeout => Blame::None,
        Signal::Rejected | Signal::Server | Signal::Unsent | Signal::TimedOut | Signal::Unknown
            if unreachable =>
        {
            Blame::Dead
        }
        Signal::ReadOnly | Signal::SessionLost | Signal::TimedOut | Signal::Unknown => Blame::Ask,
        Signal::Overloaded
        | Signal::RefusedAsWrite { .. }
        | Signal::SessionEnded
        | Signal::PoolClosed
        | Signal::RecoveryConflict { .. }
        | Signal::Serialization
        | Signal::Cancelled
        | Signal::Rejected
        | Signal::Outdated
        | Signal::Server
        | Signal::Unsent
        | Signal::Unread
        | Signal::Cut => Blame::None,
    }
}

/// What the statement path says of a failure on a node.
pub(super) struct FailureReport {
    pub(super) stage: Stage,
    pub(super) signal: Signal,
    pub(super) ran: Ran,
}

/// A report of the statement path.
pub(super) fn failed(step: &mut Step<'_>, id: NodeId, generation: u64, report: FailureReport) {
    let FailureReport { stage, signal, ran } = report;
    let now = step.now;
    let Some(node) = step.state.nodes.iter_mut().find(|node| node.id == id) else {
        return;
    };
    if !node.is_member() {
        return;
    }
    if generation < node.generation {
        step.out.notice(Notice::Stale { node: id });
        crash::broke(step, id, generation, signal, ran);
        return;
    }
    match blame(signal, stage, node.role) {
        Blame::None => {}
        Blame::Ask => {
            // A statement that fails again and again asks again and again: not more often than a back-off begins.
            let spaced = node
                .probe
                .ended
                .map(|last| last.after(step.state.tuning.ejection.first_backoff));
            let asked = step.ask_probe(id, spaced.unwrap_or(now).max(now));
            if asked && signal == Signal::ReadOnly {
                step.out.notice(Notice::PrimaryRefusesWrites { node: id });
            }
        }
        Blame::GraveSuspicion => step.suspect(id, signal, true),
        Blame::Full => step.saturate(id),
        Blame::Dead => step.eject(id, signal, 1),
    }
    crash::broke(step, id, generation, signal, ran);
}

/// Ends ramps and penalties whose time has come, and shows the next step of those that go on.
pub(super) fn tick(step: &mut Step<'_>) {
    for node in &mut step.state.nodes {
        if let NodeHealth::Ramping {
            since,
            shown,
            relapses,
        } = node.condition.health
        {
            let health = match step.state.tuning.ramp_steps(step.now.since(since)) {
                Some(shown) => NodeHealth::Ramping {
                    since,
                    shown,
                    relapses,
                },
                None => NodeHealth::Up,
            };
            if health
                != (NodeHealth::Ramping {
                    since,
                    shown,
                    relapses,
                })
            {
                node.condition.health = health;
                step.out.publish();
            }
        }
        if node
            .condition
            .saturated_until
            .is_some_and(|until| until <= step.now)
        {
            node.condition.saturated_until = None;
            step.out.publish();
        }
    }
}

/// Ends what runs on silent nodes whose time has come.
pub(super) fn end_what_waits(step: &mut Step<'_>) {
    let tuning = &step.state.tuning;
    let due = |node: &&NodeState| verdict_at(node, tuning).is_some_and(|at| at <= step.now);
    let due: Vec<NodeId> = step
        .state
        .nodes
        .iter()
        .filter(due)
        .map(|node| node.id)
        .collect();
    for id in due {
        step.end_what_runs(id);
    }
}

/// When what runs on a silent node is ended, where nobody asks it again by then: the back-off of one that comes and goes
/// is longer than what runs there can wait.
pub(super) fn verdict_at(node: &NodeState, tuning: &Tuning) -> Option<Moment> {
    let NodeHealth::Ejected {
        since,
        silent: true,
        cut: false,
        ..
    } = node.condition.health
    else {
        return None;
    };
    let at = since.after(tuning.ejection.dead_after);
    let asked_before = node.probe.due.is_none_or(|next| next <= at);
    (node.is_member() && !asked_before).then_some(at)
}

impl Step<'_> {
    pub(super) fn node_mut(&mut self, id: NodeId) -> Option<&mut NodeState> {
        self.state.nodes.iter_mut().find(|node| node.id == id)
    }

    /// Asks for a probe at that time, unless an earlier one is on its way; whether it did.
    pub(super) fn ask_probe(&mut self, id: NodeId, at: Moment) -> bool {
        let Some(node) = self.node_mut(id) else {
            return false;
        };
        if node.probe.due.is_some_and(|due| due <= at) {
            return false;
        }
        node.probe.due = Some(at);
        self.out.push(Effect::Probe { node: id, at });
        true
    }

    pub(super) fn suspect(&mut self, id: NodeId, cause: Signal, grave: bool) {
        let now = self.now;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        if let NodeHealth::Ejected { .. } = node.condition.health {
            return;
        }
        let fresh = match &mut node.condition.suspicion {
            // Reports of one suspicion are one suspicion. A graver one asks for a probe that begins after it.
            Some(suspicion) if suspicion.grave || !grave => false,
            _ => {
                node.condition.suspicion = Some(Suspicion {
                    since: now,
                    held_up: Duration::ZERO,
                    grave,
                });
                true
            }
        };
        if fresh {
            self.out.notice(Notice::Suspected { node: id, cause });
            self.out.publish();
            self.ask_probe(id, now);
        }
    }

    pub(super) fn saturate(&mut self, id: NodeId) {
        let until = self.now.after(SATURATION);
        let Some(node) = self.node_mut(id) else {
            return;
        };
        if node.is_ejected() {
            return;
        }
        if node.condition.saturated_until.replace(until).is_none() {
            self.out.notice(Notice::Saturated { node: id });
            self.out.publish();
        }
    }

    /// Takes the node out. `failures`: how many in a row have led here.
    pub(super) fn eject(&mut self, id: NodeId, cause: Signal, failures: u32) {
        let now = self.now;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        // Nobody can stand in for the one that takes writes, so its first probe is always at once.
        let owner = node.role == Role::Primary;
        let relapses = match &mut node.condition.health {
            NodeHealth::Up => 0,
            NodeHealth::Ramping { .. } if owner => 0,
            NodeHealth::Ramping { relapses, .. } => *relapses + 1,
            NodeHealth::Ejected { dirty, .. } => {
                *dirty = true;
                return;
            }
        };
        node.condition.health = NodeHealth::Ejected {
            since: now,
            failures,
            relapses,
            dirty: false,
            silent: failures > 1 && is_silence(cause),
            cut: false,
        };
        node.condition.outage = Some(Outage::new(node.generation, now, cause));
        node.condition.suspicion = None;
        node.condition.saturated_until = None;
        node.condition.strike = None;
        node.condition.slowness = 1;
        node.probe.latency = None;
        self.out.notice(Notice::Ejected { node: id, cause });
        self.new_pool(id, false);
        self.out.publish();
        let wait = backoff(&self.state.tuning, failures, relapses, self.rng);
        let wait = match cause {
            Signal::Starting | Signal::Recovering => wait,
            _ if wait.is_zero() => wait,
            _ => wait.max(CONNECT_EVERY),
        };
        self.ask_probe(id, now.after(wait));
    }

    pub(super) fn new_pool(&mut self, id: NodeId, cut: bool) {
        let Some(node) = self.node_mut(id) else {
            return;
        };
        node.generation += 1;
        node.condition.lacks_pool = false;
        let generation = node.generation;
        self.out.push(Effect::ReplacePool {
            node: id,
            generation,
            cut,
        });
    }

    /// Nothing that was sent there before is waited for any more (T6, T7).
    pub(super) fn end_what_runs(&mut self, id: NodeId) {
        let Some(node) = self.node_mut(id) else {
            return;
        };
        if let NodeHealth::Ejected { cut, .. } = &mut node.condition.health {
            *cut = true;
            self.out.notice(Notice::Dead { node: id });
            self.new_pool(id, true);
            self.out.publish();
        }
    }

    /// Takes the node back, at a small weight.
    pub(super) fn readmit(&mut self, id: NodeId) {
        let now = self.now;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        let NodeHealth::Ejected {
            since,
            relapses,
            dirty,
            ..
        } = node.condition.health
        else {
            return;
        };
        node.condition.health = NodeHealth::Ramping {
            since: now,
            shown: 0,
            relapses,
        };
        if dirty {
            self.new_pool(id, false);
        }
        self.out.notice(Notice::Readmitted {
            node: id,
            after: now.since(since),
        });
        self.out.publish();
    }
}
