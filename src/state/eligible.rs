//! Which replicas may serve reads (R1).
//!
//! Everything that speaks against a node is asked here and nowhere else. What nobody checked speaks against none; what
//! was checked and is not known does. The wanted zone is a preference, not a condition, and belongs to the choice.

use super::step::Step;
use super::{Fact, Membership, NodeState, Notice, State, WalReceiver};
use crate::{
    mutants,
    vocabulary::{Ineligible, Role},
};

impl Ineligible {
    /// What to do about it, as the log and the page of metrics say.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::OtherCluster => "check DATABASE_REPLICA_URLS",
            Self::OlderEpoch => "let it follow the new primary",
            Self::EpochUntold => {
                "grant pg_monitor to the role; else it serves reads again after a checkpoint of the primary and of its own"
            }
            Self::TooFarBehind => "wait for its replay, or raise SEALANE_MAX_LAG",
            Self::NotKnownToBeNear => {
                "it is new here or its server was started again: nothing to do for some milliseconds; if it stays so, look \
                 at its replay"
            }
            Self::NotReceiving => {
                "its WAL receiver is not running: check primary_conninfo, the replication slot and its server's log"
            }
            Self::Serializable => {
                "ALTER ROLE … SET default_transaction_isolation = 'repeatable read' (or lower), or add \
                 `options[default_transaction_isolation]=repeatable%20read` to the replica's URL"
            }
            Self::AheadOfThePrimary => {
                "the primary lost data that this replica has (a restore, a crash), or somebody wrote to the replica: build it anew \
                 from the primary"
            }
            Self::NoWeight => "give it a ?weight= above 0 if it is to serve reads",
            Self::Primary => {
                "nothing: it takes the writes; SEALANE_PRIMARY_WEIGHT gives it a share of reads too"
            }
            Self::UnknownRole => {
                "look whether its server runs and can be reached; the log has its last answer"
            }
            Self::Fenced => "the warning that begins with \"fenced\" says why",
            Self::NotInTheList => "nothing: it joins the list or leaves it",
            Self::Drained => "cluster().resume(node) takes it back",
            Self::Ejected => {
                "look whether its server runs and can be reached; the log has its last answer"
            }
            Self::Suspected => "nothing: its next health check decides",
        }
    }

    /// The word for a replica that serves reads.
    pub(crate) const ELIGIBLE: &str = "eligible";

    /// Whether a line, an event and a count of its own tell it already, or it is over before anybody could read it.
    const fn is_told_otherwise(self) -> bool {
        match self {
            Self::Primary
            | Self::UnknownRole
            | Self::Fenced
            | Self::NotInTheList
            | Self::Drained
            | Self::Ejected
            | Self::Suspected => true,
            Self::NoWeight
            | Self::OtherCluster
            | Self::OlderEpoch
            | Self::EpochUntold
            | Self::TooFarBehind
            | Self::NotKnownToBeNear
            | Self::NotReceiving
            | Self::Serializable
            | Self::AheadOfThePrimary => false,
        }
    }
}

impl Step<'_> {
    /// Tells of each replica that has left the rotation or joined it since the last time. A suspicion that the next
    /// probe settles is neither.
    pub(super) fn tell_rotation(&mut self) {
        let state = &*self.state;
        let wakes = state.has_just_woken(self.now);
        let now: Vec<(usize, Option<Ineligible>)> = state
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                (
                    index,
                    shown_of(ineligible(node, state), is_untold(node, state)),
                )
            })
            .filter(|(_, now)| *now != Some(Ineligible::Suspected))
            .filter(|(_, now)| *now != Some(Ineligible::NotKnownToBeNear) || !wakes)
            .collect();
        for (index, now) in now {
            let node = &mut self.state.nodes[index];
            let before = node.rotation.replace(now);
            if before == Some(now) {
                continue;
            }
            match (before, now) {
                (_, Some(why)) if !why.is_told_otherwise() => {
                    self.out.notice(Notice::LeftRotation { node: node.id, why });
                }
                // At its first sight, or after what has a line of its own for its end, nobody waits for this one.
                (Some(Some(why)), None) if !why.is_told_otherwise() => {
                    self.out.notice(Notice::JoinedRotation { node: node.id });
                }
                _ => {}
            }
        }
    }
}

/// What speaks against reads on this replica; nothing if it is eligible.
pub(super) fn ineligible(node: &NodeState, state: &State) -> Option<Ineligible> {
    match node.role {
        Role::Replica => {}
        Role::Primary => return Some(Ineligible::Primary),
        // What it was when it answered last says nothing of what is the matter now.
        Role::Unknown | Role::Fenced if node.is_ejected() => return Some(Ineligible::Ejected),
        Role::Unknown => return Some(Ineligible::UnknownRole),
        Role::Fenced => return Some(Ineligible::Fenced),
    }
    out_of_service(node)
        .or_else(|| behind(node, state))
        .or_else(|| {
            // Last, so that whoever asks learns of a fault first.
            (node.weight() == 0).then_some(Ineligible::NoWeight)
        })
}

/// A replica that does not tell its epoch after a change of the primary. It stays among those that may be chosen, since what
/// has to see nothing certain may go there; each other read looks at this (T2).
pub(super) fn is_untold(node: &NodeState, state: &State) -> bool {
    node.said.epoch == Fact::Unknown && state.primaryship.changes > 0
}

/// What people and metrics are told of a replica: why it serves no reads, or only those that may miss anything.
pub(super) fn shown_of(ineligible: Option<Ineligible>, untold: bool) -> Option<Ineligible> {
    ineligible.or(untold.then_some(Ineligible::EpochUntold))
}

/// What holds for the primary as well, where it takes part in reads.
pub(super) fn out_of_service(node: &NodeState) -> Option<Ineligible> {
    match node.stand {
        Membership::Member => {}
        Membership::Drained => return Some(Ineligible::Drained),
        Membership::Joining { .. } | Membership::Leaving { .. } => {
            return Some(Ineligible::NotInTheList);
        }
    }
    if node.is_ejected() {
        return Some(Ineligible::Ejected);
    }
    let grave = node
        .condition
        .suspicion
        .is_some_and(|suspicion| suspicion.grave);
    grave.then_some(Ineligible::Suspected)
}

/// Whether what the node replays is the primary's, as far as is known.
pub(super) fn is_copy(node: &NodeState, state: &State) -> bool {
    matches!(
        behind(node, state),
        None | Some(Ineligible::TooFarBehind | Ineligible::Serializable)
    )
}

fn behind(node: &NodeState, state: &State) -> Option<Ineligible> {
    let checks = [
        (
            holds(node.said.identity, home(state), |own, home| own == home),
            Ineligible::OtherCluster,
        ),
        (
            // Where it is not told, positions prove nothing, and that is looked at for each read (T2).
            mutants::lives("tick_without_epoch")
                || node.said.epoch == Fact::Unknown
                || holds(node.said.epoch, newest(state), |own, newest| {
                    // Ahead of the primary is whoever has heard of the next one, or has not heard of a restore.
                    own == newest || (own > newest && Some(own) > state.primaryship.seen.overruled)
                }),
            Ineligible::OlderEpoch,
        ),
        (!node.said.serializable, Ineligible::Serializable),
        (!node.replay.astray, Ineligible::AheadOfThePrimary),
        (
            !(node.replay.lagging && node.is_unproven())
                && (node.replay.unjudged.is_none() || state.primaryship.none_since.is_some()),
            Ineligible::NotKnownToBeNear,
        ),
        (!node.replay.lagging, Ineligible::TooFarBehind),
        (
            // Without a primary there is nothing to receive (R2).
            mutants::lives("tick_without_epoch")
                || state.primaryship.none_since.is_some()
                || holds(node.said.receiver, Some(()), |own, ()| own.runs()),
            Ineligible::NotReceiving,
        ),
        // With or without a primary: what it has beyond the others is nobody else's.
        (!asks_in_vain(node, state), Ineligible::NotReceiving),
    ];
    checks
        .into_iter()
        .find(|(holds, _)| !holds)
        .map(|(_, why)| why)
}

/// Whether a standby asks for a later epoch than any that was seen, or did so last, and has received nothing of it: it may be
/// the only one that has that epoch, with rows that are nobody else's, since it was put back as it was after a promotion for
/// a trial.
fn asks_in_vain(node: &NodeState, state: &State) -> bool {
    let receives_nothing = matches!(
        node.said.receiver,
        Fact::Known(WalReceiver::Started | WalReceiver::Absent)
    );
    let epoch = node.said.epoch.known();
    receives_nothing && newest(state).is_some_and(|newest| epoch > Some(newest))
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
    let known = state.primaryship.identity;
    known.or_else(|| state.primary()?.said.identity.known())
}

/// The greatest epoch that was seen.
fn newest(state: &State) -> Option<u64> {
    let known = state.primaryship.seen.greatest;
    known.or_else(|| state.primary()?.said.epoch.known())
}
