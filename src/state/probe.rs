//! What a probe's answer changes: it settles doubts, re-admits, ejects, and tells roles (R8, T5, T14).
//!
//! A probe proves only what holds after it began, so that an answer that was on its way when the doubt arose settles
//! nothing. One missed probe of a node in good standing is a doubt, two are death; a refusal is death at once, because
//! nobody listens, and so is a missed probe of a node that has never answered one, because nothing speaks for it.

use std::time::Duration;

use super::health::backoff;
use super::reduce::Step;
use super::{Fact, Health, Membership, Moment, Notice, ProbeFacts, State, crash};
use crate::signal::Signal;
use crate::vocabulary::{NodeId, Role};

/// Between two probes of a node while writes wait for a primary (T1).
const SEARCH_EVERY: Duration = Duration::from_millis(6);

/// A probe's answer.
pub(super) fn succeeded(
    step: &mut Step<'_>,
    id: NodeId,
    begun: Moment,
    rtt: Duration,
    facts: ProbeFacts,
) {
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    node.probe_at = None;
    node.probed = Some(now);
    node.asked = Some(begun);
    node.strayed = node.strayed.filter(|since| begun < *since);
    // What is gone changes nothing any more (T12).
    if let Membership::Leaving { .. } = node.stand {
        return;
    }
    node.seen = true;
    let was_rejected = std::mem::take(&mut node.rejected);
    let before = node.latency.map(millis);
    let smooth = node
        .latency
        .map_or(rtt, |old| old.mul_f64(0.8) + rtt.mul_f64(0.2));
    node.latency = Some(smooth);
    if before != Some(millis(smooth)) || was_rejected {
        step.out.publish();
    }
    observe(step, id, begun, facts);
    if !crash::answered(step, id, begun) {
        return;
    }
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

/// A server that answers, if only to refuse, ends its sessions by itself.
pub(super) fn is_silence(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::TimedOut | Signal::Disconnected | Signal::Refused
    )
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
    node.strayed = Some(now);
    let wrote = match node.role {
        Role::Primary | Role::Unknown => true,
        Role::Replica | Role::Fenced => false,
    };
    node.fresh = None;
    step.out.notice(Notice::Moved { node: id });
    step.fresh_pool(id, wrote);
    step.out.publish();
    step.ask_probe(id, now);
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
    node.asked = Some(begun);
    node.strayed = node.strayed.filter(|since| begun < *since);
    let seen = node.seen;
    if !node.is_member() {
        return;
    }
    // Its latest answer decides: a server that refuses logins is there, one that has gone since is not.
    let rejects = signal == Signal::Rejected;
    let was_rejected = std::mem::replace(&mut node.rejected, rejects);
    match &mut node.health {
        Health::Ejected {
            since,
            failures,
            relapses,
            silent,
            cut,
            ..
        } => {
            *failures = failures.saturating_add(1);
            let (failures, relapses) = (*failures, *relapses);
            *silent = is_silence(signal);
            if *silent && !*cut && now.since(*since) >= dead_after {
                step.end_what_runs(id);
            }
            let wait = backoff(&step.state.tuning, failures, relapses, step.rng);
            step.ask_again(id, wait, signal);
        }
        Health::Up | Health::Ramping { .. } => {
            let confirmed = node.suspicion.is_some_and(|doubt| begun >= doubt.since);
            match signal {
                // The second one of a connection that the application made, whose pool is full.
                Signal::Overloaded | Signal::AcquireTimeout => {
                    node.suspicion = None;
                    step.saturate(id);
                    step.out.publish();
                    step.next_probe(id);
                }
                // Those who are in are served on; how far a replica is gets older, until that speaks against it.
                Signal::Rejected if seen => {
                    if !was_rejected {
                        step.out.notice(Notice::ProbeRejected { node: id });
                        step.out.publish();
                    }
                    step.next_probe(id);
                }
                Signal::Refused | Signal::Starting | Signal::Recovering | Signal::Stopping => {
                    step.eject(id, signal, 2);
                }
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
    crash::refused(step, id, begun, signal);
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
        let wait = match primaryship.lost {
            _ if self.state.awaits(node) => Duration::ZERO,
            Some(lost) if tuning.failover => {
                let searched = self.now.since(lost) >= tuning.failover_timeout;
                match primaryship.wanted && !searched {
                    true => SEARCH_EVERY,
                    false => tuning.check_interval.min(tuning.connect_every),
                }
            }
            _ => tuning.check_interval.mul_f64(0.9 + 0.2 * self.rng.f64()),
        };
        self.ask_probe(id, self.now.after(wait));
    }

    /// The next probe of a node that gave no answer, which has to connect (T1).
    pub(super) fn ask_again(&mut self, id: NodeId, backoff: Duration, cause: Signal) {
        let every = self.state.tuning.connect_every;
        let wait = match cause {
            // It is there, and will let us in soon.
            Signal::Starting | Signal::Recovering => backoff,
            _ if self.state.primaryship.lost.is_some() => every,
            _ => backoff.max(every),
        };
        self.ask_probe(id, self.now.after(wait));
    }
}

/// The resolution of latencies: below a millisecond it is noise, and a snapshot for every microsecond would be waste.
#[must_use]
pub(super) fn millis(latency: Duration) -> u32 {
    let millis = (latency.as_micros() + 500) / 1000;
    u32::try_from(millis).unwrap_or(u32::MAX).max(1)
}

/// Statements wait for a primary, or none does any more.
pub(super) fn wanted(step: &mut Step<'_>, wanted: bool) {
    step.state.primaryship.wanted = wanted;
    if wanted && step.state.primaryship.lost.is_some() {
        step.ask_everyone();
    }
}

/// No standby is ahead of its primary. One that was when the primary was asked later has another history, also when that
/// one has come past it; it stays so until it begins anew, which it has to. Whether there is a new one.
fn note_astray(state: &mut State, position: u64, begun: Moment, epoch: Fact<u64>) -> bool {
    let mut found = false;
    for node in &mut state.nodes {
        let ahead = node.in_recovery == Fact::Known(true)
            && epoch.known().is_some()
            && node.epoch == epoch
            && node.position > Some(position)
            && node.probed.is_some_and(|ended| ended <= begun);
        found |= ahead && !node.astray;
        node.astray |= ahead;
    }
    found
}

/// Whether another server answers than before, or the same one in another life.
fn begins_anew(state: &State, id: NodeId, facts: ProbeFacts) -> bool {
    let before = state.node(id).map(|node| node.server);
    facts.server != Fact::NotChecked && before.is_some_and(|before| before != facts.server)
}

fn observe(step: &mut Step<'_>, id: NodeId, begun: Moment, facts: ProbeFacts) {
    fn learn<T: Copy>(known: &mut Fact<T>, new: Fact<T>) {
        match new {
            Fact::NotChecked => {}
            Fact::Unknown | Fact::Known(_) => *known = new,
        }
    }
    let state = &mut *step.state;
    let reigns = state.primaryship.primary == Some(id);
    let began_anew = begins_anew(state, id, facts);
    if let (true, Some(position)) = (reigns, facts.position)
        && facts.in_recovery == Fact::Known(false)
    {
        if began_anew && Some(position) < state.primaryship.history.newest() {
            // It has lost what it had told, by a crash or by a restore, and goes on from there.
            state.primaryship.history.clear();
        }
        state.primaryship.history.note(position, begun);
        state.primaryship.history.note_ended(facts.ended, begun);
        if note_astray(state, position, begun, facts.epoch) {
            step.out.publish();
        }
    }
    let state = &mut *step.state;
    let complete = state.primaryship.history.complete(&facts);
    let newest = state.primaryship.greatest;
    // Whoever has replayed some of the newest epoch follows it, also where the role may not see whom it follows (T2).
    let reached = facts
        .reached
        .filter(|reached| newest.is_some_and(|newest| *reached >= newest));
    let epoch = match (facts.epoch, reached) {
        (Fact::Unknown, Some(reached)) => Fact::Known(reached),
        (told, _) => told,
    };
    let Some(node) = state.nodes.iter_mut().find(|node| node.id == id) else {
        return;
    };
    let was_in_recovery = node.in_recovery;
    let before = (node.epoch, node.lag, node.receiving, node.serializable);
    if began_anew {
        // Another life, or another server: what it had before proves nothing (C4).
        node.fresh = None;
        if std::mem::take(&mut node.astray) {
            step.out.publish();
        }
    }
    learn(&mut node.in_recovery, facts.in_recovery);
    learn(&mut node.identity, facts.identity);
    learn(&mut node.epoch, epoch);
    learn(&mut node.lag, facts.lag);
    learn(&mut node.receiving, facts.receiving);
    learn(&mut node.server, facts.server);
    node.started = facts.started.or(node.started);
    node.place = facts.place.or(node.place);
    node.position = facts.position;
    let follows = node.in_recovery == Fact::Known(true);
    // Whoever follows is of this history again, whatever it claimed before.
    node.overruled = node.overruled.filter(|_| !follows);
    // A standby of an older epoch is not measured by the positions of a newer one.
    if follows
        && node
            .epoch
            .known()
            .is_none_or(|own| newest.is_none_or(|newest| own >= newest))
    {
        node.fresh = node.fresh.max(complete);
    }
    node.serializable = facts.serializable;
    if before != (node.epoch, node.lag, node.receiving, node.serializable) {
        step.out.publish();
    }
    let Some(node) = step.node_mut(id) else {
        return;
    };
    let hides = follows && facts.epoch == Fact::Unknown;
    if node.spec.role == Role::Primary && follows && was_in_recovery != node.in_recovery {
        step.out.notice(Notice::PrimaryInRecovery { node: id });
    }
    if hides && !std::mem::replace(&mut step.state.primaryship.hidden, true) {
        step.out.notice(Notice::Hidden { node: id });
    }
}
