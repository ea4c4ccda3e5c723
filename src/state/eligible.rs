//! Which replicas may serve reads (R1).
//!
//! Everything that speaks against a node is asked here and nowhere else. What nobody checked speaks against none; what
//! was checked and is not known does. The wanted zone is a preference, not a condition, and belongs to the choice.

use std::fmt;

use super::{Fact, NodeState, Stand, State};
use crate::{mutants, words::Role};

/// Why a node serves no balanced read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Ineligible {
    /// Not a replica, as observed.
    Role(Role),
    /// Not in the list, or not yet.
    NotMember,
    /// Drained at somebody's word.
    Drained,
    /// Found dead.
    Ejected,
    /// In grave doubt until its next probe.
    Suspected,
    /// Its weight is 0.
    NoWeight,
    /// Another cluster than the primary's, or it could not tell.
    Identity,
    /// Its epoch is older than the primary's, or it could not tell.
    Epoch,
    /// Too far behind, or it could not tell.
    Lag,
    /// It has not replayed the first position that the primary told: a matter of milliseconds, if it is well.
    Unproven,
    /// It receives nothing.
    NotReceiving,
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Role(role) => role.as_str(),
            Self::NotMember => "not in the list",
            Self::Drained => "drained",
            Self::Ejected => "ejected",
            Self::Suspected => "suspected",
            Self::NoWeight => "weight 0",
            Self::Identity => "another cluster",
            Self::Epoch => "older epoch",
            Self::Lag => "too far behind",
            Self::Unproven => "not yet known to be near",
            Self::NotReceiving => "not receiving",
        })
    }
}

/// What speaks against reads on this replica; nothing if it is eligible.
pub(super) fn ineligible(node: &NodeState, state: &State) -> Option<Ineligible> {
    match node.role {
        Role::Replica => {}
        role @ (Role::Primary | Role::Unknown | Role::Fenced) => {
            return Some(Ineligible::Role(role));
        }
    }
    out_of_service(node)
        .or_else(|| behind(node, state))
        .or_else(|| {
            // Last, so that whoever asks learns of a fault first.
            (node.weight() == 0).then_some(Ineligible::NoWeight)
        })
}

/// What holds for the primary as well, where it takes part in reads.
pub(super) fn out_of_service(node: &NodeState) -> Option<Ineligible> {
    match node.stand {
        Stand::Member => {}
        Stand::Drained => return Some(Ineligible::Drained),
        Stand::Joining { .. } | Stand::Leaving { .. } => return Some(Ineligible::NotMember),
    }
    if node.is_ejected() {
        return Some(Ineligible::Ejected);
    }
    let hard = node.suspicion.is_some_and(|doubt| doubt.hard);
    hard.then_some(Ineligible::Suspected)
}

fn behind(node: &NodeState, state: &State) -> Option<Ineligible> {
    let checks = [
        (
            holds(node.identity, home(state), |own, home| own == home),
            Ineligible::Identity,
        ),
        (
            // Where it is not told, positions prove nothing, and that is looked at for each read (T2).
            mutants::lives("tick_without_epoch")
                || node.epoch == Fact::Unknown
                || holds(node.epoch, newest(state), |own, newest| own >= newest),
            Ineligible::Epoch,
        ),
        (!(node.lagging && node.is_unproven()), Ineligible::Unproven),
        (
            !node.lagging && holds(node.lag, state.tuning.max_lag, |own, limit| own <= limit),
            Ineligible::Lag,
        ),
        (
            // Without a primary there is nothing to receive (R2).
            mutants::lives("tick_without_epoch")
                || state.reign.lost.is_some()
                || holds(node.receiving, Some(()), |own, ()| own),
            Ineligible::NotReceiving,
        ),
    ];
    checks
        .into_iter()
        .find(|(holds, _)| !holds)
        .map(|(_, why)| why)
}

/// Without a limit to hold it against, a fact excludes nobody, but one that was asked for and is not known does.
fn holds<T, L>(fact: Fact<T>, limit: Option<L>, within: impl Fn(T, L) -> bool) -> bool {
    match (fact, limit) {
        (Fact::NotChecked, _) => true,
        (Fact::Unknown, limit) => limit.is_none(),
        (Fact::Known(own), Some(limit)) => within(own, limit),
        (Fact::Known(_), None) => true,
    }
}

/// The cluster is the primary's.
fn home(state: &State) -> Option<u64> {
    let known = state.reign.identity;
    known.or_else(|| state.primary()?.identity.known())
}

/// The greatest epoch that was seen.
fn newest(state: &State) -> Option<u64> {
    let known = state.reign.greatest;
    known.or_else(|| state.primary()?.epoch.known())
}
