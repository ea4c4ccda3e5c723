//! Whether a claim to be the primary counts (T3), and what nobody can decide at the start (T14).
//!
//! A member that shows the greatest epoch is the primary, whenever a process has started and whatever the configuration
//! calls it: so processes of one configuration agree. With `confirmed` that takes a witness, for those who promote a
//! replica beside a healthy primary on purpose. That the configured primary of an older epoch goes on until the other
//! one has a witness was rejected for the start: a process that lived through the failover writes to the other one.

use super::claimant::may_reign;
use super::succession::may_succeed;
use crate::error::causes::UndecidedPrimary;
use crate::state::{Fact, Guess, NodeState, State, WalReceiver};
use crate::vocabulary::{NodeId, Role};

/// Two that show different epochs at the start, of which nobody knows which one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecided {
    /// The primary of the older epoch.
    pub(crate) older: (NodeId, u64),
    /// The node of the newer one.
    pub(crate) newer: (NodeId, u64),
    /// The newer one only follows a primary of that epoch, which is no node of the list or does not answer.
    pub(crate) follows: bool,
}

/// Whether its word that it is the primary counts.
pub(super) fn trusted(state: &State, id: NodeId, epoch: u64) -> bool {
    let known = state.node(id);
    let Some(node) = known.filter(|node| !node.is_ejected() && !is_overruled(node, epoch)) else {
        return false;
    };
    let primaryship = &state.primaryship;
    if primaryship.named != Some(id) && !may_succeed(node, state) {
        return false;
    }
    // The first one at all, or an epoch that was seen before, needs nobody to vouch for it.
    !(state.tuning.failover.confirmed || node.said.guess.is_some())
        || primaryship.named == Some(id)
        || primaryship.owner == Some(id)
        || primaryship.seen.greatest == Some(epoch)
        || has_witness(state, node, epoch)
}

/// Whether an authority has named another while it claimed this epoch or a later one, and it has not followed since.
pub(super) fn is_overruled(node: &NodeState, epoch: u64) -> bool {
    node.fencing.overruled.is_some_and(|over| epoch <= over)
}

/// The old primary does not answer as one, or another member follows the new one.
fn has_witness(state: &State, node: &NodeState, epoch: u64) -> bool {
    let others = || state.members().filter(|other| other.id != node.id);
    let follows = |other: &NodeState| {
        other.said.in_recovery == Fact::Known(true)
            && is_ours(other, state)
            && !other.is_ejected()
            && !matches!(
                other.said.receiver,
                Fact::Known(WalReceiver::Absent | WalReceiver::Started)
            )
            && other.said.epoch == Fact::Known(epoch)
    };
    if others().any(follows) || (!state.tuning.failover.confirmed && feeds(node)) {
        return true;
    }
    match state.primaryship.owner.or_else(|| state.configured()) {
        Some(old) if old != node.id => {
            let old = state.node(old).filter(|old| old.is_member());
            !old.is_some_and(may_reign)
        }
        Some(_) => true,
        // The list leaves open who it was: whoever else claims to be one, or was not asked yet, so that the order of the
        // answers decides nothing.
        None => !others().any(may_reign),
    }
}

/// Whether somebody receives from one that was read-only before, whoever that is.
fn feeds(node: &NodeState) -> bool {
    let feeds = node.said.standing.is_some_and(|standing| standing.feeds);
    feeds && node.said.guess == Some(Guess::WasReadOnly)
}

fn is_ours(node: &NodeState, state: &State) -> bool {
    match (node.said.identity, state.primaryship.identity) {
        (Fact::Known(own), Some(home)) => own == home,
        _ => true,
    }
}

/// What is open before the first primary is accepted: a primary of an older epoch answers, and the newer one lacks a
/// witness, or only a standby shows it. A standby that receives a newer epoch has somebody to receive it from.
pub(super) fn undecided(state: &State, claims: &[(NodeId, u64)]) -> Option<Undecided> {
    if state.primaryship.epoch.is_some() {
        return None;
    }
    let answers = |(id, _): &&(NodeId, u64)| state.node(*id).is_some_and(|node| !node.is_ejected());
    let newest = *claims
        .iter()
        .filter(answers)
        .max_by_key(|(_, epoch)| epoch)?;
    if state.primaryship.named == Some(newest.0) {
        return None;
    }
    let receives = state.members().filter_map(|node| {
        let receives = node.said.in_recovery == Fact::Known(true)
            && matches!(
                node.said.receiver,
                Fact::Known(WalReceiver::Fed | WalReceiver::Hidden)
            )
            && !node.is_ejected()
            && is_ours(node, state);
        Some((node.id, node.said.epoch.known()?)).filter(|_| receives)
    });
    if let Some(newer) = receives.max_by_key(|(_, epoch)| *epoch)
        && newer.1 > newest.1
    {
        return Some(Undecided {
            older: newest,
            newer,
            follows: true,
        });
    }
    // An authority that names the older one has decided, whoever answers first.
    let named = |(id, _): &(NodeId, u64)| state.primaryship.named == Some(*id);
    if state.tuning.failover.confirmed && claims.iter().filter(answers).any(named) {
        return None;
    }
    let older = claims
        .iter()
        .filter(answers)
        .find(|(_, epoch)| *epoch < newest.1);
    let older = older.copied().or_else(|| beside_a_guess(state, newest.0))?;
    (!trusted(state, newest.0, newest.1)).then_some(Undecided {
        older,
        newer: newest,
        follows: false,
    })
}

/// The primary by its list, which takes writes beside one that is guessed to have been promoted.
fn beside_a_guess(state: &State, guessed: NodeId) -> Option<(NodeId, u64)> {
    let by = state.node(guessed)?.said.guess?;
    if by != Guess::FeedsOthers {
        return None;
    }
    let named = state.node(state.configured()?)?;
    let takes = named
        .said
        .standing
        .is_some_and(|standing| standing.writable);
    let beside = named.id != guessed && takes && may_reign(named);
    beside.then_some((named.id, 0))
}

impl State {
    /// What nobody can decide at the start.
    pub(crate) fn undecided(&self) -> Option<UndecidedPrimary> {
        let Undecided {
            older,
            newer,
            follows,
        } = self.primaryship.undecided?;
        let name = |id: NodeId| self.node(id).map(|node| node.spec.name.to_string());
        Some(UndecidedPrimary {
            older: name(older.0)?,
            older_timeline: older.1,
            newer: name(newer.0)?,
            newer_timeline: newer.1,
            follows,
            guessed: self
                .node(newer.0)
                .is_some_and(|newer| newer.said.guess.is_some()),
        })
    }

    /// Whether another node is the primary than the one that is configured as it.
    pub(crate) fn has_other_primary(&self) -> bool {
        let named = self.configured();
        let named = named.filter(|id| {
            let node = self.node(*id);
            node.is_some_and(|node| node.spec.role == Role::Primary)
        });
        named.is_some() && self.primaryship.primary.is_some() && self.primaryship.primary != named
    }
}
