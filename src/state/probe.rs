//! What a probe's answer changes: it settles doubts, re-admits, ejects, and tells roles (R8, T5, T14).
//!
//! A probe proves only what holds after it began, so that an answer that was on its way when the doubt arose settles
//! nothing. One missed probe of a node in good standing is a doubt, two are death; a refusal is death at once, because
//! nobody listens, and so is a missed probe of a node that has never answered one, because nothing speaks for it.

use std::time::Duration;

use super::health::backoff;
use super::reduce::Step;
use super::{Effect, Fact, Fence, Health, Moment, NodeState, Notice, ProbeFacts, Stand, State};
use crate::signal::Signal;
use crate::words::{NodeId, Role};

/// A probe's answer.
pub(super) fn succeeded(
    step: &mut Step<'_>,
    id: NodeId,
    begun: Moment,
    what: (Duration, ProbeFacts),
) {
    let (rtt, facts) = what;
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    node.probe_at = None;
    node.probed = Some(now);
    node.seen = true;
    let before = node.latency.map(millis);
    let smooth = node
        .latency
        .map_or(rtt, |old| old.mul_f64(0.8) + rtt.mul_f64(0.2));
    node.latency = Some(smooth);
    if before != Some(millis(smooth)) {
        step.out.publish();
    }
    observe(step, id, facts);
    let Some(node) = step.node_mut(id) else {
        return;
    };
    let in_time = match (node.health, node.suspicion) {
        (Health::Ejected { since, .. }, _) => {
            if begun >= since {
                step.readmit(id);
            }
            begun >= since
        }
        (Health::Up | Health::Ramping { .. }, Some(doubt)) => {
            if begun >= doubt.since {
                step.clear(id);
            }
            begun >= doubt.since
        }
        (Health::Up | Health::Ramping { .. }, None) => true,
    };
    if in_time {
        step.next_probe(id);
    } else {
        step.ask_probe(id, now);
    }
}

/// A probe without an answer, or with a refusal.
pub(super) fn failed(step: &mut Step<'_>, id: NodeId, begun: Moment, signal: Signal) {
    let now = step.now;
    let dead_after = step.state.tuning.dead_after;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    node.probe_at = None;
    node.probed = Some(now);
    let seen = node.seen;
    if !node.is_member() {
        return;
    }
    match &mut node.health {
        Health::Ejected {
            since,
            failures,
            relapses,
            cut,
            ..
        } => {
            *failures = failures.saturating_add(1);
            let (failures, relapses) = (*failures, *relapses);
            // A server that answers, if only to refuse, ends its sessions by itself.
            let silent = matches!(
                signal,
                Signal::TimedOut | Signal::Disconnected | Signal::Refused
            );
            if silent && !*cut && now.since(*since) >= dead_after {
                *cut = true;
                step.out.notice(Notice::Dead { node: id });
                step.fresh_pool(id, true);
                step.out.publish();
            }
            let wait = backoff(&step.state.tuning, failures, relapses, step.rng);
            step.ask_probe(id, now.after(wait));
        }
        Health::Up | Health::Ramping { .. } => {
            let confirmed = node.suspicion.is_some_and(|doubt| begun >= doubt.since);
            match signal {
                Signal::Overloaded => {
                    node.suspicion = None;
                    step.saturate(id);
                    step.out.publish();
                    step.next_probe(id);
                }
                Signal::Rejected if !confirmed => {
                    step.out.notice(Notice::ProbeRejected { node: id });
                    step.next_probe(id);
                }
                Signal::Refused | Signal::Starting => step.eject(id, signal, 2),
                // Somebody ended the probe's session: the server was there to do it. Should it be shutting down, the
                // next one is refused.
                Signal::Terminated | Signal::SessionEnded => {
                    step.ask_probe(id, now);
                }
                _ if confirmed || !seen => step.eject(id, signal, 2),
                _ => {
                    step.suspect(id, signal, false);
                    step.ask_probe(id, now);
                }
            }
        }
    }
}

impl Step<'_> {
    /// The doubt was unfounded. Whoever waits for news of this node is woken in any case.
    fn clear(&mut self, id: NodeId) {
        let now = self.now;
        let quiet = self.state.tuning.ramp_up;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        let Some(doubt) = node.suspicion.take() else {
            return;
        };
        let mut fresh = false;
        if doubt.hard {
            // One session ended by command is nothing; a second one soon after says that many were, and each of their
            // connections in the pool would cost somebody a statement.
            fresh = node.strike.is_some_and(|last| now.since(last) < quiet);
            node.strike = (!fresh).then_some(now);
        }
        self.out.notice(Notice::Cleared { node: id });
        self.out.publish();
        if fresh {
            self.fresh_pool(id, false);
        }
        if doubt.saturated {
            self.saturate(id);
        }
    }

    /// The next probe of a node in good standing.
    pub(super) fn next_probe(&mut self, id: NodeId) {
        let Some(node) = self.node_mut(id) else {
            return;
        };
        match node.stand {
            Stand::Member | Stand::Drained => {}
            Stand::Joining { .. } | Stand::Leaving { .. } => return,
        }
        let wait = self
            .state
            .tuning
            .check_interval
            .mul_f64(0.9 + 0.2 * self.rng.f64());
        self.ask_probe(id, self.now.after(wait));
    }
}

/// The resolution of latencies: below a millisecond it is noise, and a snapshot for every microsecond would be waste.
#[must_use]
pub(super) fn millis(latency: Duration) -> u32 {
    let millis = (latency.as_micros() + 500) / 1000;
    u32::try_from(millis).unwrap_or(u32::MAX).max(1)
}

fn observe(step: &mut Step<'_>, id: NodeId, facts: ProbeFacts) {
    fn learn<T: Copy>(known: &mut Fact<T>, new: Fact<T>) {
        match new {
            Fact::NotChecked => {}
            Fact::Unknown | Fact::Known(_) => *known = new,
        }
    }
    let Some(node) = step.node_mut(id) else {
        return;
    };
    let was_in_recovery = node.in_recovery;
    let before = (node.epoch, node.lag, node.receiving);
    learn(&mut node.in_recovery, facts.in_recovery);
    learn(&mut node.identity, facts.identity);
    learn(&mut node.epoch, facts.epoch);
    learn(&mut node.lag, facts.lag);
    learn(&mut node.receiving, facts.receiving);
    if before != (node.epoch, node.lag, node.receiving) {
        step.out.publish();
    }
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if node.spec.role == Role::Primary
        && node.in_recovery == Fact::Known(true)
        && was_in_recovery != node.in_recovery
    {
        step.out.notice(Notice::PrimaryInRecovery { node: id });
    }
    settle_roles(step);
}

/// Roles follow from what is configured and what was observed; nothing else sets them.
pub(super) fn settle_roles(step: &mut Step<'_>) {
    let home = cluster_identity(step.state);
    for node in &mut step.state.nodes {
        // It may come with another primary, and is judged when it takes its place.
        if let Stand::Joining { .. } = node.stand {
            continue;
        }
        let fence = fence(node, home);
        if fence == node.fence {
            continue;
        }
        node.fence = fence;
        let (role, notice) = match fence {
            Some(cause) => (
                Role::Fenced,
                Notice::Fenced {
                    node: node.id,
                    cause,
                },
            ),
            None => (node.spec.role, Notice::Unfenced { node: node.id }),
        };
        node.role = role;
        step.out.push(Effect::Notice(notice));
        step.out.publish();
    }
}

fn fence(node: &NodeState, home: Option<u64>) -> Option<Fence> {
    if node.spec.role == Role::Primary {
        return None;
    }
    match (node.identity, home) {
        (Fact::Known(identity), Some(home)) if identity != home => {
            return Some(Fence::OtherCluster);
        }
        _ => {}
    }
    (node.in_recovery == Fact::Known(false)).then_some(Fence::NotInRecovery)
}

/// The cluster is the primary's.
pub(super) fn cluster_identity(state: &State) -> Option<u64> {
    match state.primary()?.identity {
        Fact::Known(identity) => Some(identity),
        Fact::NotChecked | Fact::Unknown => None,
    }
}
