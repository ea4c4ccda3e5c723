//! What a probe's answer changes: it settles suspicions, re-admits, ejects, and tells roles (R8, T5, T14).
//!
//! A probe proves only what holds after it began, so that an answer that was on its way when the suspicion arose
//! settles nothing. One missed probe of a node in good standing is a suspicion, two are death; a refusal is death at
//! once, because nobody listens, and so is a missed probe of a node that has never answered one, because nothing speaks
//! for it.

use std::time::Duration;

use super::backoff::{CONNECT_EVERY, backoff, is_silence};
use super::node::ProbeTimes;
use super::step::Step;
use super::{Event, Membership, Moment, NodeHealth, NodeState, Notice, ProbeFacts, crash, observe};
use crate::signal::Signal;
use crate::vocabulary::{NodeId, Role};

/// Between two probes of a node while writes wait for a primary (T1).
const SEARCH_EVERY: Duration = Duration::from_millis(6);

/// Takes the end of a probe in; whose it was, where the event is one.
pub(super) fn ended(step: &mut Step<'_>, event: Event) -> Option<NodeId> {
    match event {
        Event::ProbeOk {
            node,
            begun,
            rtt,
            facts,
        } => {
            succeeded(step, node, begun, rtt, facts);
            Some(node)
        }
        Event::ProbeFailed {
            node,
            begun,
            signal,
        } => {
            failed(step, node, begun, signal);
            Some(node)
        }
        _ => None,
    }
}

/// A probe's answer.
fn succeeded(step: &mut Step<'_>, id: NodeId, begun: Moment, rtt: Duration, facts: ProbeFacts) {
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    node.probe.end(begun, now);
    // What is gone changes nothing any more (T12).
    if let Membership::Leaving { .. } = node.stand {
        return;
    }
    node.probe.seen = true;
    node.probe.answered = Some(begun);
    node.probe.heard = Some(now);
    let was_rejected = std::mem::take(&mut node.condition.rejected);
    let before = node.probe.latency.map(millis);
    let smooth = node
        .probe
        .latency
        .map_or(rtt, |old| old.mul_f64(0.8) + rtt.mul_f64(0.2));
    node.probe.latency = Some(smooth);
    // Of one that was found dead since, its return is told.
    let lets_in = was_rejected && !node.is_ejected();
    if before != Some(millis(smooth)) || was_rejected {
        step.out.publish();
    }
    if lets_in {
        step.out.notice(Notice::ProbeAdmitted { node: id });
    }
    observe::observe(step, id, begun, facts);
    if !crash::answered(step, id, begun) {
        return;
    }
    let Some(node) = step.node_mut(id) else {
        return;
    };
    let in_time = match (node.condition.health, node.condition.suspicion) {
        (NodeHealth::Ejected { since, .. }, _) => {
            if begun >= since {
                step.readmit(id);
            }
            begun >= since
        }
        (NodeHealth::Up | NodeHealth::Ramping { .. }, Some(suspicion)) => {
            if begun >= suspicion.since {
                step.clear(id);
            }
            begun >= suspicion.since
        }
        (NodeHealth::Up | NodeHealth::Ramping { .. }, None) => true,
    };
    if in_time {
        step.next_probe(id);
    } else {
        step.ask_probe(id, now);
    }
}

/// Connections to it lead to another server than before. What was opened before is given up; what runs on a node that
/// takes writes ends with that, or it would be stored on a server that is over.
pub(super) fn moved(step: &mut Step<'_>, id: NodeId) {
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if !node.is_member() {
        return;
    }
    node.probe.strayed = Some(now);
    let wrote = match node.role {
        Role::Primary | Role::Unknown => true,
        Role::Replica | Role::Fenced => false,
    };
    node.replay.current_at = None;
    step.out.notice(Notice::Moved { node: id });
    step.new_pool(id, wrote);
    step.out.publish();
    step.ask_probe(id, now);
}

/// A probe without an answer, or with a refusal.
fn failed(step: &mut Step<'_>, id: NodeId, begun: Moment, signal: Signal) {
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    node.probe.end(begun, now);
    if signal != Signal::TimedOut {
        node.probe.heard = Some(now);
    }
    if !node.is_member() {
        return;
    }
    // Its latest answer decides: a server that refuses logins is there, one that has gone since is not.
    let was_rejected = std::mem::replace(&mut node.condition.rejected, signal == Signal::Rejected);
    match node.is_ejected() {
        true => step.failed_again(id, signal),
        false => step.missed(id, begun, signal, was_rejected),
    }
    crash::refused(step, id, begun, signal);
}

impl ProbeTimes {
    /// The probe that was sent then has ended.
    fn end(&mut self, begun: Moment, now: Moment) {
        self.due = None;
        self.ended = Some(now);
        self.asked = Some(begun);
        self.strayed = self.strayed.filter(|since| begun < *since);
    }
}

impl Step<'_> {
    /// A node that was found dead gave no answer, once more.
    fn failed_again(&mut self, id: NodeId, signal: Signal) {
        let (now, dead_after) = (self.now, self.state.tuning.ejection.dead_after);
        let Some(node) = self.node_mut(id) else {
            return;
        };
        let NodeHealth::Ejected {
            since,
            failures,
            relapses,
            silent,
            cut,
            ..
        } = &mut node.condition.health
        else {
            return;
        };
        *failures = failures.saturating_add(1);
        let (failures, relapses) = (*failures, *relapses);
        *silent = is_silence(signal);
        if *silent && !*cut && now.since(*since) >= dead_after {
            self.end_what_runs(id);
        }
        let wait = backoff(&self.state.tuning, failures, relapses, self.rng);
        self.ask_again(id, wait, signal);
    }

    /// A node in good standing gave no answer: what that says of it.
    fn missed(&mut self, id: NodeId, begun: Moment, signal: Signal, was_rejected: bool) {
        let now = self.now;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        let suspicion = node.condition.suspicion;
        let confirmed = suspicion.is_some_and(|suspicion| begun >= suspicion.since);
        let seen = node.probe.seen;
        match signal {
            // The second one of a connection that the application made, whose pool is full.
            Signal::Overloaded | Signal::AcquireTimeout => {
                node.condition.suspicion = None;
                self.saturate(id);
                self.out.publish();
                self.next_probe(id);
            }
            // Those who are in are served on; how far a replica is gets older, until that speaks against it.
            Signal::Rejected if seen => {
                if !was_rejected {
                    self.out.notice(Notice::ProbeRejected { node: id });
                    self.out.publish();
                }
                self.next_probe(id);
            }
            Signal::Refused | Signal::Starting | Signal::Recovering | Signal::Stopping => {
                self.eject(id, signal, 2);
            }
            // Somebody ended the probe's session: the server was there to do it. Should it be shutting down, the
            // next one is refused.
            Signal::Terminated | Signal::SessionEnded => {
                self.ask_probe(id, now);
            }
            _ if !seen => self.eject(id, signal, 2),
            _ => match suspicion.filter(|_| confirmed) {
                Some(known) if !self.may_be_ours(id, known, signal) => self.eject(id, signal, 2),
                _ => {
                    self.suspect(id, signal, false);
                    self.ask_probe(id, now);
                    self.ask_witnesses(id);
                }
            },
        }
    }

    /// The suspicion was unfounded. Whoever waits for news of this node is woken in any case.
    fn clear(&mut self, id: NodeId) {
        let now = self.now;
        let quiet = self.state.tuning.ejection.ramp_up;
        let Some(node) = self.node_mut(id) else {
            return;
        };
        let Some(suspicion) = node.condition.suspicion.take() else {
            return;
        };
        let mut fresh = false;
        if suspicion.grave {
            // One session ended by command is nothing; a second one soon after says that many were, and each of their
            // connections in the pool would cost somebody a statement.
            fresh = node
                .condition
                .strike
                .is_some_and(|last| now.since(last) < quiet);
            node.condition.strike = (!fresh).then_some(now);
        }
        self.out.notice(Notice::Cleared { node: id });
        self.out.publish();
        if fresh {
            self.new_pool(id, false);
        }
    }

    /// The next probe of a node in good standing.
    pub(super) fn next_probe(&mut self, id: NodeId) {
        let Some(node) = self.node_mut(id) else {
            return;
        };
        match node.stand {
            Membership::Member | Membership::Drained => {}
            Membership::Joining { .. } | Membership::Leaving { .. } => return,
        }
        let tuning = &self.state.tuning;
        let primaryship = &self.state.primaryship;
        let Some(node) = self.state.node(id) else {
            return;
        };
        let wait = match primaryship.none_since {
            _ if self.state.awaits(node) => Duration::ZERO,
            Some(since) if tuning.failover.enabled => {
                let searched = self.now.since(since) >= tuning.failover.timeout;
                match primaryship.has_waiters && !searched {
                    true => SEARCH_EVERY,
                    false => tuning.check_interval.min(CONNECT_EVERY),
                }
            }
            _ => tuning.check_interval.mul_f64(0.9 + 0.2 * self.rng.f64()),
        };
        self.ask_probe(id, self.now.after(wait));
    }

    /// The next probe of a node that gave no answer, which has to connect (T1).
    pub(super) fn ask_again(&mut self, id: NodeId, backoff: Duration, cause: Signal) {
        let every = CONNECT_EVERY;
        let wait = match cause {
            // It is there, and will let us in soon.
            Signal::Starting | Signal::Recovering => backoff,
            _ if self.state.primaryship.none_since.is_some() => every,
            _ => backoff.max(every),
        };
        self.ask_probe(id, self.now.after(wait));
    }
}

impl Step<'_> {
    /// Asks every node that was found dead, as soon as it may be connected to again: there is no primary, and one that is back may
    /// be the next one. What it was to wait for has grown with an outage of before.
    pub(super) fn ask_the_ejected(&mut self) {
        let now = self.now;
        let at = |node: &NodeState| {
            let ended = node.probe.ended.map(|ended| ended.after(CONNECT_EVERY));
            (node.id, ended.unwrap_or(now).max(now))
        };
        let ejected = self.state.members().filter(|node| node.is_ejected());
        let ejected: Vec<(NodeId, Moment)> = ejected.map(at).collect();
        for (id, at) in ejected {
            self.ask_probe(id, at);
        }
    }
}

/// The resolution of latencies: below a millisecond it is noise, and a snapshot for every microsecond would be waste.
#[must_use]
pub(super) fn millis(latency: Duration) -> u32 {
    let millis = (latency.as_micros() + 500) / 1000;
    u32::try_from(millis).unwrap_or(u32::MAX).max(1)
}

/// Statements wait for a node, or none does any more. Only where there is no primary is somebody asked for that.
pub(super) fn waiters(step: &mut Step<'_>, waits: bool) {
    step.state.primaryship.has_waiters = waits;
    if waits && step.state.primaryship.none_since.is_some() {
        step.ask_everyone();
    }
}
