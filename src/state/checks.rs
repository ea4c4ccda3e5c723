//! Who waits for news of a node that is younger than the question (T6, T8): each gets one answer, when a probe has ended
//! that was sent after he asked, and the picture shows what it said.
//!
//! A probe that was on its way proves nothing, so another one follows it at once.

use super::step::Step;
use super::{Effect, Moment};
use crate::vocabulary::NodeId;

/// Somebody waits for a probe of this node that is sent from then on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    ticket: u64,
    node: NodeId,
    since: Moment,
}

/// Somebody asks what this node is; so is everybody, since what one says depends on the others.
pub(super) fn ask(step: &mut Step<'_>, ticket: u64, node: NodeId) {
    if step.state.node(node).is_none() {
        step.out.answer(Effect::Checked { ticket });
        return;
    }
    let since = step.now;
    step.state.checks.push(Check {
        ticket,
        node,
        since,
    });
    step.ask_everyone();
}

/// A probe of this node that was sent then has ended, whichever way.
pub(super) fn ended(step: &mut Step<'_>, id: NodeId, begun: Moment) {
    answer(step, |check| check.node == id && begun >= check.since);
    if step.state.checks.iter().any(|check| check.node == id) {
        let now = step.now;
        step.ask_probe(id, now);
    }
}

/// Nobody will hear of this node any more.
pub(super) fn forget(step: &mut Step<'_>, id: NodeId) {
    answer(step, |check| check.node == id);
}

fn answer(step: &mut Step<'_>, which: impl Fn(&Check) -> bool) {
    let Step { state, out, .. } = step;
    state.checks.retain(|check| {
        let done = which(check);
        if done {
            out.answer(Effect::Checked {
                ticket: check.ticket,
            });
        }
        !done
    });
}
