//! Sleep of an idle cluster (T17): nobody is asked anything, and what was known counts for nothing until it was asked again.
//!
//! What is forgotten is all that speaks *for* a node: who is the primary, in which epoch, who has replayed what. What
//! speaks against one is kept, so that a cluster that wakes is at least as careful as a process that starts: the
//! greatest epoch that was seen, the cluster's identity, what an authority has overruled, that a node was out.
//!
//! It wakes by the answers of all nodes at once, and roles are settled when all were taken in. Settling after each, as
//! while it is awake, was rejected: of two primaries the old one may answer first.

use std::time::Duration;

use super::step::Step;
use super::{
    Effect, Event, Membership, Moment, NodeHealth, NodeState, Notice, State, catalog, probe,
};
use crate::{
    mutants,
    vocabulary::{NodeId, Role},
};

/// For how long after waking a replica that is not known to be near is on its way, and no news.
const SETTLES: Duration = Duration::from_secs(2);

/// Nobody wants anything of the cluster: all is forgotten.
pub(super) fn fall_asleep(step: &mut Step<'_>) {
    if !step.state.may_sleep() {
        return;
    }
    let state = &mut *step.state;
    state.nodes.iter_mut().for_each(NodeState::forget);
    if !mutants::lives("woken_without_asking") {
        state.primaryship.forget();
    }
    state.history.clear();
    catalog::rest(&mut state.catalog);
    state.sleeping.asleep = true;
    step.out.push(Effect::Sleep);
    step.out.notice(Notice::Asleep);
    step.out.publish();
}

/// Every node was asked what it is.
pub(super) fn wake(step: &mut Step<'_>, answers: Vec<Event>) {
    if !std::mem::take(&mut step.state.sleeping.asleep) {
        return;
    }
    let now = step.now;
    step.state.sleeping.woke = Some(now);
    step.state.look_at = now;
    step.state.primaryship.none_since = Some(now);
    let answers = match mutants::lives("woken_without_asking") {
        true => Vec::new().into_iter(),
        false => answers.into_iter(),
    };
    let asked: Vec<NodeId> = answers
        .filter_map(|answer| probe::ended(step, answer))
        .collect();
    let members: Vec<NodeId> = step.state.members().map(|node| node.id).collect();
    for node in members.into_iter().filter(|node| !asked.contains(node)) {
        step.ask_probe(node, now);
    }
    step.out.publish();
}

/// Tells that it is awake, once roles are settled by the answers.
pub(super) fn tell_awake(step: &mut Step<'_>) {
    step.out.notice(Notice::Awake);
    let state = &mut *step.state;
    if state.primaryship.primary.is_none() && !state.is_confirming() {
        // Whoever becomes it is told as after any loss.
        state.primaryship.before_sleep.primary = None;
        step.out.notice(Notice::NoPrimary);
    }
}

/// Whether a cluster that sleeps hears of this. Everything else wakes it first.
pub(super) fn is_heard_asleep(event: &Event) -> bool {
    matches!(
        event,
        Event::Woken(_)
            | Event::Waiters(_)
            | Event::Catalog(_)
            | Event::Pool { .. }
            | Event::DrainedOut { .. }
    )
}

impl State {
    /// Whether nothing is under way that sleep would interrupt.
    #[must_use]
    pub(crate) fn may_sleep(&self) -> bool {
        let settled =
            |node: &NodeState| matches!(node.stand, Membership::Member | Membership::Drained);
        !self.sleeping.asleep
            && self.pending.is_none()
            && self.queue.is_empty()
            && self.checks.is_empty()
            && self.pending_word.is_none()
            && !self.is_confirming()
            && !self.catalog.is_read()
            && self.nodes.iter().all(settled)
    }

    /// Whether what is not known yet is only on its way.
    pub(super) fn has_just_woken(&self, now: Moment) -> bool {
        self.sleeping
            .woke
            .is_some_and(|woke| now.since(woke) < SETTLES)
    }
}

impl NodeState {
    /// As at the start, but for what its owner wants, what speaks against it, and what was told.
    fn forget(&mut self) {
        let fresh = Self::new(self.id, self.spec.clone(), self.stand);
        if mutants::lives("woken_without_asking") {
            (self.generation, self.condition.lacks_pool) = (self.generation + 1, true);
            return;
        }
        let (overruled, announced) = (self.fencing.overruled, self.fencing.announced);
        let health = match self.condition.health {
            // That was told, and nothing runs there that would have to end. It is back once it answers, as ever.
            NodeHealth::Ejected {
                since,
                failures,
                relapses,
                ..
            } => NodeHealth::Ejected {
                since,
                failures,
                relapses,
                dirty: false,
                silent: false,
                cut: true,
            },
            NodeHealth::Up | NodeHealth::Ramping { .. } => NodeHealth::Up,
        };
        *self = Self {
            // Nobody is the primary before it has said so.
            role: match fresh.spec.role {
                Role::Primary => Role::Unknown,
                role => role,
            },
            generation: self.generation + 1,
            rotation: self.rotation,
            remembered: self.remembered,
            ..fresh
        };
        // Its pools are opened again once it has answered.
        (self.condition.lacks_pool, self.condition.health) = (true, health);
        (self.fencing.overruled, self.fencing.announced) = (overruled, announced);
    }
}
