//! What an authority said of the primary to another handle of the process (T3).
//!
//! Handles to one cluster share positions, so they have to agree on whose positions those are. Each hears what any of them
//! was told, and takes the same server as soon as that says here as well that it is the primary; until then nothing that
//! is asked through this handle covers a write. Letting only the handle that was told go on was rejected: the others
//! covered nothing any more, for good where that one was dropped.

use crate::causality::{Named, Word};
use crate::state::step::Step;
use crate::state::{Effect, Fact, NodeState, State, lag};
use crate::vocabulary::NodeId;

/// Some handle was told. `heard`: the number of the word that holds here, which is this one where the handle is our own.
pub(in crate::state) fn take(step: &mut Step<'_>, word: Word, heard: u64) {
    step.state.pending_word = (word.number != heard).then_some(word);
    step.ask_everyone();
}

/// Obeys a word that waits, once its server is found here. After all else: it is found by what was settled from the news.
pub(in crate::state) fn settle(step: &mut Step<'_>) {
    let Some(word) = step.state.pending_word else {
        return;
    };
    let Some(node) = named(step.state, word.named) else {
        return;
    };
    step.state.pending_word = None;
    step.accept_word(node);
    super::settle(step);
    lag::update(step);
    // Last: if positions begin anew with it, that is not another word.
    let number = word.number;
    step.out.answer(Effect::Obeyed { number });
}

/// The node that says it is the primary of this cluster, in this epoch, on a server that was started then: the one
/// which another handle was told of. One that cannot be told from a rival is none.
fn named(state: &State, named: Named) -> Option<NodeId> {
    let epoch = Fact::Known(named.timeline);
    let is_it = |node: &&NodeState| {
        let claims = (node.said.in_recovery, node.said.epoch) == (Fact::Known(false), epoch);
        let server = node.said.started.is_some() && node.said.started == named.started;
        claims && node.said.identity.known() == named.cluster && server
    };
    state.members().find(is_it).map(|node| node.id)
}
