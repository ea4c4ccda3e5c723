//! Who is in the list: drain, resume, and replacement of the whole list (R8).
//!
//! A replacement is one step for everyone who reads snapshots: new nodes are warmed first, the old list serves until the
//! last of them is ready or has used up its time, and then everything changes at once. Without that, a list that shares
//! no node with the old one would leave reads without a replica in between. A node whose connections may serve on is
//! kept, with its id, pool, generation and health; so is one that was removed and comes back before its pool was closed.
//! Replacements are carried out one after the other, so the last wins and each gets its own answer.

use std::sync::Arc;

use super::roster::check;
use super::step::Step;
use super::{
    Changes, Effect, Membership, NodeHealth, NodeSpec, NodeState, Notice, Pending, State, checks,
};
use crate::signal::Signal;
use crate::vocabulary::{NodeId, Role};

pub(super) fn drain(step: &mut Step<'_>, id: NodeId) {
    match step.node_mut(id) {
        Some(node) if node.stand == Membership::Member && node.role != Role::Primary => {
            node.stand = Membership::Drained;
            step.out.notice(Notice::Draining { node: id });
            step.out.publish();
            step.out.answer(Effect::Watch { node: id });
        }
        Some(node) if node.stand == Membership::Drained => {
            step.out.answer(Effect::Watch { node: id })
        }
        _ => step.out.notice(Notice::DrainRefused { node: id }),
    }
}

pub(super) fn resume(step: &mut Step<'_>, id: NodeId) {
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if node.stand == Membership::Drained {
        node.stand = Membership::Member;
        step.out.notice(Notice::Resumed { node: id });
        step.out.publish();
    }
}

pub(super) fn drained_out(step: &mut Step<'_>, id: NodeId) {
    let Some(node) = step.node_mut(id) else {
        return;
    };
    match node.stand {
        Membership::Drained => step.out.notice(Notice::Drained { node: id }),
        Membership::Leaving { .. } => {
            if !comes_back(step.state, id) {
                step.forget(id, false);
            }
        }
        // Taken back meanwhile.
        Membership::Member | Membership::Joining { .. } => {}
    }
}

pub(super) fn replace(step: &mut Step<'_>, ticket: u64, nodes: Vec<NodeSpec>) {
    match check(nodes) {
        Ok((nodes, dropped)) => {
            step.state.queue.push_back((ticket, nodes, dropped));
            step.advance();
        }
        Err(problem) => step.out.answer(Effect::ReplaceRefused { ticket, problem }),
    }
}

pub(super) fn warmed(step: &mut Step<'_>, id: NodeId) {
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if let Membership::Joining { ready } = &mut node.stand {
        *ready = true;
        step.advance();
    }
}

pub(super) fn warm_failed(step: &mut Step<'_>, id: NodeId, signal: Signal) {
    if step.give_up_warming(id, signal) {
        step.advance();
    }
}

/// What is over by now: warming that took too long, and the time of removed nodes.
pub(super) fn tick(step: &mut Step<'_>) {
    let now = step.now;
    if step
        .state
        .pending
        .as_ref()
        .is_some_and(|pending| pending.until <= now)
    {
        for id in ids(step.state, |node| {
            node.stand == Membership::Joining { ready: false }
        }) {
            step.give_up_warming(id, Signal::TimedOut);
        }
        step.advance();
    }
    let over = ids(step.state, |node| match node.stand {
        Membership::Leaving { until } => until <= now,
        Membership::Member | Membership::Drained | Membership::Joining { .. } => false,
    });
    for id in over {
        if !comes_back(step.state, id) {
            step.forget(id, true);
        }
    }
}

fn ids(state: &State, which: impl Fn(&NodeState) -> bool) -> Vec<NodeId> {
    state
        .nodes
        .iter()
        .filter(|node| which(node))
        .map(|node| node.id)
        .collect()
}

/// Whether a replacement that is under way will take this node back.
pub(super) fn comes_back(state: &State, id: NodeId) -> bool {
    state
        .pending
        .as_ref()
        .is_some_and(|pending| pending.nodes.iter().any(|(kept, _)| *kept == id))
}

impl Step<'_> {
    /// Settles what is ready and begins what waits, until something has to be warmed first.
    fn advance(&mut self) {
        loop {
            if self.state.pending.is_some() {
                if self
                    .state
                    .nodes
                    .iter()
                    .any(|node| node.stand == Membership::Joining { ready: false })
                {
                    return;
                }
                self.settle();
            }
            let Some((ticket, nodes, dropped)) = self.state.queue.pop_front() else {
                return;
            };
            self.begin(ticket, nodes, dropped);
        }
    }

    fn begin(&mut self, ticket: u64, specs: Vec<NodeSpec>, dropped: Vec<Arc<str>>) {
        let until = self.now.after(self.state.tuning.warm_limit);
        let mut nodes = Vec::with_capacity(specs.len());
        for spec in specs {
            let known = self
                .state
                .nodes
                .iter()
                .find(|node| node.spec.same_pool(&spec));
            let id = if let Some(known) = known {
                known.id
            } else {
                let id = self.state.new_id();
                let stand = Membership::Joining { ready: false };
                let before = self.state.nodes.iter();
                let mut before = before.filter(|node| node.spec.endpoint == spec.endpoint);
                let remembered = before.find_map(|node| node.remembered);
                self.state.nodes.push(NodeState {
                    remembered,
                    ..NodeState::new(id, spec.clone(), stand)
                });
                self.out.push(Effect::Warm { node: id, until });
                id
            };
            nodes.push((id, spec));
        }
        self.state.pending = Some(Pending {
            ticket,
            nodes,
            dropped,
            until,
        });
    }

    fn settle(&mut self) {
        let Some(Pending {
            ticket,
            nodes,
            dropped,
            ..
        }) = self.state.pending.take()
        else {
            return;
        };
        for name in &dropped {
            self.out
                .notice(Notice::SameAsPrimary { name: name.clone() });
        }
        let mut changes = Changes {
            ticket,
            dropped,
            ..Changes::default()
        };
        for index in 0..self.state.nodes.len() {
            let id = self.state.nodes[index].id;
            match nodes.iter().find(|(kept, _)| *kept == id) {
                Some((_, spec)) => self.keep_or_add(index, spec, &mut changes),
                None => self.leave(index, &mut changes),
            }
        }
        self.out.publish();
        self.out.answer(Effect::Replaced(changes));
    }

    /// The new list has this node.
    fn keep_or_add(&mut self, index: usize, spec: &NodeSpec, changes: &mut Changes) {
        let node = &mut self.state.nodes[index];
        let (id, stand, same) = (node.id, node.stand, node.spec == *spec);
        node.spec = spec.clone();
        let notice = match stand {
            Membership::Member | Membership::Drained => {
                let list = match same {
                    true => &mut changes.kept,
                    false => &mut changes.changed,
                };
                list.push(id);
                return;
            }
            Membership::Leaving { .. } => Notice::Returned { node: id },
            Membership::Joining { .. } => Notice::Added { node: id },
        };
        node.stand = Membership::Member;
        changes.added.push(id);
        self.out.notice(notice);
        // A node that could not be warmed has its probe's time already.
        if self.state.nodes[index].probe.due.is_none() {
            self.ask_probe(id, self.now);
        }
    }

    /// The new list lacks this node: it finishes what it runs.
    fn leave(&mut self, index: usize, changes: &mut Changes) {
        let until = self.now.after(self.state.tuning.drain_timeout);
        let node = &mut self.state.nodes[index];
        match node.stand {
            Membership::Member | Membership::Drained => {}
            Membership::Joining { .. } | Membership::Leaving { .. } => return,
        }
        node.stand = Membership::Leaving { until };
        node.probe.due = None;
        let id = node.id;
        changes.removed.push(id);
        self.out.notice(Notice::Removed { node: id });
        self.out.answer(Effect::Watch { node: id });
    }

    /// A new node that gave no connection in time enters ejected.
    fn give_up_warming(&mut self, id: NodeId, cause: Signal) -> bool {
        let now = self.now;
        let Some(node) = self.node_mut(id) else {
            return false;
        };
        if node.stand != (Membership::Joining { ready: false }) {
            return false;
        }
        node.stand = Membership::Joining { ready: true };
        node.condition.health = NodeHealth::Ejected {
            since: now,
            failures: 2,
            relapses: 0,
            dirty: false,
            silent: false,
            cut: false,
        };
        self.out.notice(Notice::Ejected { node: id, cause });
        let wait = super::backoff::backoff(&self.state.tuning, 2, 0, self.rng);
        self.ask_again(id, wait, cause);
        true
    }

    fn forget(&mut self, id: NodeId, cut: bool) {
        self.state.nodes.retain(|node| node.id != id);
        checks::forget(self, id);
        // Before the pool is gone, and its name with it.
        self.out.notice(Notice::Closed { node: id, cut });
        self.out.push(if cut {
            Effect::CutAndClose { node: id }
        } else {
            Effect::ClosePool { node: id }
        });
    }
}
