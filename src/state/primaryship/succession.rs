//! Whose claim counts where promotions leave no timeline (T19): by what servers hold of each other's writes.
//!
//! The epoch of a server that takes writes is the last number that it has of others. It grows with each promotion, and every
//! process reads the same one. Alone it does not do: two that were promoted beside each other show two numbers, and the greater
//! one is the luckier one, not the later one.

use super::claimant::{claimed, may_reign, same_server};
use crate::state::writers::SaidRole;
use crate::state::{Fact, NodeState, ProbeFacts, State};
use crate::vocabulary::NodeId;

/// How one that takes writes stands to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    /// Promoted later: one that has received what the other one wrote.
    Later,
    Earlier,
    /// Promoted beside the other one, as far as anybody can tell.
    Rival,
    /// Nobody has written to both.
    Stranger,
}

/// Nothing where timelines tell, where nobody has written yet, and for one server under two names.
pub(super) fn kin(node: &NodeState, other: &NodeState) -> Option<Kin> {
    let (own, others) = node
        .said
        .writers
        .as_ref()
        .zip(other.said.writers.as_ref())?;
    if node.id == other.id || same_server(node, other) {
        return None;
    }
    Some(if own.is_stranger_to(others) || own.has_name_of(others) {
        Kin::Stranger
    } else if own.succeeds(others) {
        Kin::Later
    } else if others.succeeds(own) {
        Kin::Earlier
    } else {
        Kin::Rival
    })
}

/// How a node stands to the one that has the epoch, or has the role as configured.
pub(super) fn kin_of_primary(node: &NodeState, state: &State) -> Option<Kin> {
    let primaryship = &state.primaryship;
    let home = primaryship.owner.or(primaryship.primary);
    let home = home.or_else(|| state.configured())?;
    kin(node, state.node(home).filter(|home| home.is_member())?)
}

/// Whether a node can have come after the primary that is known. One that was promoted beside it can once that is none any more.
pub(super) fn may_succeed(node: &NodeState, state: &State) -> bool {
    match kin_of_primary(node, state) {
        None | Some(Kin::Later | Kin::Earlier) => true,
        Some(Kin::Rival) => !owner(state).is_some_and(may_reign),
        Some(Kin::Stranger) => false,
    }
}

/// Whether an epoch that is over begins again: who has it follows now, and this one has all that it has, or was in conflict with
/// it until then. A primary that has written nothing leaves nothing behind by which the next one could be told. So it is where
/// who has it is dead: the last one that is left may have lost more of what was written than that one had received.
pub(super) fn takes_back(id: NodeId, state: &State) -> bool {
    let (Some(node), Some(owner)) = (state.node(id), owner(state)) else {
        return false;
    };
    let (Some(own), Some(last)) = (&node.said.writers, &owner.said.writers) else {
        return false;
    };
    let follows = owner.said.in_recovery == Fact::Known(true) && !owner.is_ejected();
    let primaryship = &state.primaryship;
    let begun = primaryship.claim.is_some_and(|claim| claim.node == id);
    let comes_back = follows && (primaryship.conflict || begun || own.contains(last));
    let beside = matches!(kin(node, owner), Some(Kin::Later | Kin::Rival));
    let open = !primaryship.conflict || !is_certain(state);
    let is_left = open && beside && is_over_by_death(owner) && !is_of_before(id, state);
    owner.id != id && (comes_back || is_left)
}

/// Whether both sides of a conflict took writes at one time: who has the epoch has answered a question that was sent after the
/// rival was heard. One that died before the rival was promoted, and whose death is not known yet, answers none.
pub(super) fn is_certain(state: &State) -> bool {
    owner(state).is_none_or(|owner| owner.probe.answered >= state.primaryship.conflict_since)
}

/// Whether a node takes writes beside the one that has the epoch.
pub(super) fn is_rival(id: NodeId, state: &State) -> bool {
    let both = state.node(id).zip(owner(state));
    both.is_some_and(|(node, owner)| kin(node, owner) == Some(Kin::Rival))
}

/// Whether a node claims what was its own before another epoch was accepted: no rival, though nobody may have a record of it.
pub(super) fn is_of_before(id: NodeId, state: &State) -> bool {
    let claims = |node: &NodeState| {
        let reigned = node.fencing.reigned;
        reigned < state.primaryship.epoch && claimed(node, state) <= reigned
    };
    state.node(id).is_some_and(claims)
}

/// Whether a claim is over because its server is dead. Where each promotion has an epoch of its own it is not: then nobody else
/// can have come to it.
pub(super) fn is_over_by_death(node: &NodeState) -> bool {
    node.said.writers.is_some() && !may_reign(node)
}

/// Whether a node was heard to fail and may live: until that is known nobody is its rival.
pub(super) fn may_be_dead(node: &NodeState) -> bool {
    node.said.writers.is_some() && node.is_ejected() && may_reign(node)
}

/// Whether a node is dead and nobody had written to it: then whoever is promoted has nothing to show either. One that had shows an
/// epoch, or else could not be told from an old primary once both are back.
pub(super) fn died_unwritten(node: &NodeState) -> bool {
    let unwritten = node
        .said
        .standing
        .is_some_and(|standing| standing.unwritten);
    unwritten && !may_reign(node)
}

/// Gives the epoch of a primary that has left the list to the one that the list names now, if that one has all that the last
/// primary was seen to have, and nobody can tell that it claims it. That the list alone decides was rejected: it may be found by
/// discovery, and the one that it names be an old primary.
pub(super) fn inherit(state: &mut State) {
    let left = state.primaryship.epoch.is_some() && owner(state).is_none();
    let Some(named) = state.configured().and_then(|named| state.node(named)) else {
        return;
    };
    let writable = named
        .said
        .standing
        .is_some_and(|standing| standing.writable);
    let untold = writable && named.said.in_recovery == Fact::Unknown;
    let last = state.primaryship.last_writers.as_ref();
    let own = named.said.writers.as_ref();
    let has_all = last.is_none_or(|last| own.is_some_and(|own| own.contains(last)));
    if left && untold && has_all && keeps(named, state) {
        state.primaryship.owner = Some(named.id);
    }
}

/// Notes what the primary has, for whoever comes after it.
pub(super) fn note_last_writers(state: &mut State) {
    let primary = state.primary().filter(|primary| state.owns(primary.id));
    if let Some(writers) = primary.and_then(|primary| primary.said.writers.clone()) {
        state.primaryship.last_writers = Some(writers);
    }
}

/// Whether whoever has the epoch keeps it although it cannot be told any more that it claims it: it receives from elsewhere, or
/// its log was emptied, or has several domains now. Nobody else claims it or a later one.
pub(super) fn keeps(node: &NodeState, state: &State) -> bool {
    let claims = |node: &NodeState| {
        let claimed = claimed(node, state);
        claimed.is_some() && claimed >= state.primaryship.epoch
    };
    is_untold(node) && !state.members().any(claims)
}

/// Whether a server takes writes, or may, and shows no epoch.
fn is_untold(node: &NodeState) -> bool {
    let said = &node.said;
    said.standing.is_some() && said.in_recovery != Fact::Known(true) && said.epoch.known().is_none()
}

/// The one that takes the writes of a primary that follows now, where the logs of both have several domains by now: whoever
/// says alone that it is the primary, as where nobody ever showed an epoch.
pub(super) fn takes_over_untold(state: &State) -> Option<NodeId> {
    let several = |node: &NodeState| {
        let written = node
            .said
            .standing
            .is_some_and(|standing| !standing.unwritten);
        written && node.said.writers.is_none() && !node.is_ejected()
    };
    let follows = |owner: &NodeState| owner.said.in_recovery == Fact::Known(true);
    let takes =
        |node: &&NodeState| node.said.in_recovery == Fact::Known(false) && !node.is_ejected();
    let mut all = state.members().filter(takes);
    let only = all.next().filter(|only| several(only))?;
    let over = owner(state).is_some_and(|owner| follows(owner) && several(owner));
    (over && all.next().is_none()).then_some(only.id)
}

fn owner(state: &State) -> Option<&NodeState> {
    let owner = state.primaryship.owner.and_then(|id| state.node(id));
    owner.filter(|owner| owner.is_member())
}

impl State {
    /// An epoch as people are told of it: only of a timeline does the number say anything to them.
    pub(crate) fn timeline(&self, epoch: Option<u64>) -> Option<u64> {
        let told = self.members().any(|node| node.said.writers.is_some());
        epoch.filter(|_| !told)
    }

    /// Puts what a server says of its role where others tell a state of recovery and a timeline.
    pub(in crate::state) fn read_standing(&self, id: NodeId, facts: &mut ProbeFacts) {
        let (Some(standing), Some(node)) = (facts.standing, self.node(id)) else {
            return;
        };
        // Of another server nothing is known.
        let known = node
            .remembered
            .filter(|(_, address)| facts.address == Some(*address));
        let before = known.map_or_else(SaidRole::default, |(role, _)| role);
        let wrote = facts.writers.as_ref().is_some_and(|own| own.wrote());
        let claim = standing.claim(before, wrote);
        facts.in_recovery = claim.in_recovery;
        facts.guess = claim.guess;
        let claims = claim.in_recovery == Fact::Known(false);
        let own = facts.writers.as_ref().filter(|_| claims);
        let began = own.map(|own| own.began());
        // A primary whose log begins anew has lost its record, and not the role.
        let kept = self
            .primaryship
            .epoch
            .filter(|_| self.owns(id) && known.is_some());
        facts.epoch = began.map_or(Fact::NotChecked, |began| {
            Fact::Known(began.max(kept.unwrap_or(0)))
        });
    }
}
