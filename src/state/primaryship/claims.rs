//! Who claims to be the primary, and whose claim counts (T3, T4).

use std::time::Duration;

use super::claimant::{claimed, same_server};
use super::relief::relief;
use super::succession::{
    Kin, died_unwritten, is_certain, is_of_before, is_over_by_death, is_rival, kin_of_primary,
    may_be_dead, takes_back, takes_over_untold,
};
use super::witness::{is_overruled, trusted, undecided};
use crate::causality::Named;
use crate::state::step::Step;
use crate::state::{Effect, Fact, Moment, NodeState, Notice, State};
use crate::vocabulary::{NodeId, Role};

/// How long a new epoch waits for nodes that do not answer.
pub(super) const CONFIRM_LIMIT: Duration = Duration::from_millis(100);

/// A new epoch that is not accepted yet, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) node: NodeId,
    pub(super) epoch: u64,
    pub(super) since: Moment,
}

/// Where nobody shows an epoch: the node that an authority named, once it is not in recovery; where the list leaves open
/// who the primary is, or the one that it names says that it follows, the only one that is not.
pub(super) fn without_epoch(state: &State) -> Option<NodeId> {
    let claims = |node: &&NodeState| {
        node.said.in_recovery == Fact::Known(false)
            && !node.is_ejected()
            && node.said.epoch.known().is_none()
    };
    let mut claimants = state.members().filter(claims);
    let named = state.primaryship.named.and_then(|id| state.node(id));
    if let Some(named) = named.filter(|named| named.is_member() && claims(named)) {
        return Some(named.id);
    }
    let follows =
        |named: &NodeState| named.said.in_recovery == Fact::Known(true) && !named.is_ejected();
    let open = match state.configured().and_then(|named| state.node(named)) {
        Some(named) => follows(named) || died_unwritten(named),
        None => true,
    };
    let (first, second) = (claimants.next(), claimants.next());
    first
        .filter(|_| open && second.is_none())
        .map(|only| only.id)
}

/// Takes in who claims what.
pub(super) fn take_claims(step: &mut Step<'_>) {
    let state = &*step.state;
    let claims: Vec<(NodeId, u64)> = state
        .members()
        .filter(|node| kin_of_primary(node, state) != Some(Kin::Stranger))
        .filter_map(|node| Some((node.id, claimed(node, state)?)))
        .collect();
    let undecided = undecided(state, &claims);
    step.state.primaryship.undecided = undecided;
    if undecided.is_some() {
        step.state.primaryship.claim = None;
        return;
    }
    let newest = newest(step.state, &claims);
    match newest {
        Some((id, epoch)) => {
            if !is_newer(step.state, epoch) {
                step.state.primaryship.seen.greatest = Some(epoch);
            }
            step.take_claim(id, epoch);
        }
        None => step.state.primaryship.claim = None,
    }
    if let Some(epoch) = step.state.primaryship.epoch {
        let equal = equal(step.state, &claims, epoch);
        step.settle_owner(&equal);
    }
}

/// Whether an epoch is none that is over. Before one is accepted after a sleep, what was seen before it is no claim any more.
fn is_newer(state: &State, epoch: u64) -> bool {
    let slept = state.primaryship.before_sleep.epoch.is_some();
    match state.primaryship.epoch {
        Some(known) => epoch > known,
        None => !slept || Some(epoch) >= state.primaryship.seen.greatest,
    }
}

/// The greatest epoch that is to take the place of the one of now.
fn newest(state: &State, claims: &[(NodeId, u64)]) -> Option<(NodeId, u64)> {
    let counts = |(id, epoch): &&(NodeId, u64)| {
        (is_newer(state, *epoch) || takes_back(*id, state)) && trusted(state, *id, *epoch)
    };
    let is_on_its_way = |id: NodeId| {
        state
            .primaryship
            .claim
            .is_some_and(|claim| claim.node == id)
    };
    let claims = claims.iter().filter(counts);
    claims
        .max_by_key(|(id, epoch)| (*epoch, is_on_its_way(*id)))
        .copied()
}

/// Who claims this epoch, or takes writes beside its owner.
fn equal(state: &State, claims: &[(NodeId, u64)], epoch: u64) -> Vec<NodeId> {
    // One that an authority has overruled is no rival, also when the next promotion comes to its number.
    let owner = state.primaryship.owner.and_then(|owner| state.node(owner));
    let waits = !state.primaryship.conflict && owner.is_some_and(may_be_dead);
    let counts = |(id, claimed): &&(NodeId, u64)| {
        let over = |node: &NodeState| {
            is_overruled(node, *claimed) || (ends_by_death(node, state) && is_over_by_death(node))
        };
        !state.node(*id).is_some_and(over) && (!waits || state.owns(*id))
    };
    let mut present = claims.iter().filter(counts);
    let owner_claims = present.any(|(id, claimed)| *claimed == epoch && state.owns(*id));
    let is_equal = |(id, claimed): &&(NodeId, u64)| {
        *claimed == epoch || (owner_claims && is_rival(*id, state) && !is_of_before(*id, state))
    };
    let equal = claims.iter().filter(counts).filter(is_equal);
    equal.map(|(id, _)| *id).collect()
}

/// Whether this node's death ends what it claims: not in a conflict, unless it is the owner and nobody knows whether the two ever
/// took writes at one time.
fn ends_by_death(node: &NodeState, state: &State) -> bool {
    !state.primaryship.conflict || (state.owns(node.id) && !is_certain(state))
}

impl Step<'_> {
    /// A node shows an epoch that is greater than any before.
    fn take_claim(&mut self, id: NodeId, epoch: u64) {
        let now = self.now;
        let primaryship = &mut self.state.primaryship;
        primaryship.seen.greatest = primaryship.seen.greatest.max(Some(epoch));
        let since = match primaryship.claim {
            Some(claim) if (claim.node, claim.epoch) == (id, epoch) => claim.since,
            _ => {
                primaryship.claim = Some(Claim {
                    node: id,
                    epoch,
                    since: now,
                });
                self.ask_everyone();
                now
            }
        };
        let state = &*self.state;
        // It had the role already, and nobody had written by whom an epoch could be told.
        let goes_on = state.primaryship.epoch.is_none()
            && state.primaryship.primary == Some(id)
            && state
                .node(id)
                .is_some_and(|node| node.said.writers.is_some());
        let waits =
            now < since.after(CONFIRM_LIMIT) && state.primaryship.named != Some(id) && !goes_on;
        // The old primary would have to have lost the role and won it again, and may be silent.
        let old = |node: &NodeState| {
            state.primaryship.owner == Some(node.id) && node.said.in_recovery != Fact::Known(true)
        };
        let unasked = |node: &NodeState| {
            let asked = node.probe.asked.is_some_and(|asked| asked >= since);
            node.id != id && !old(node) && !node.is_ejected() && !asked
        };
        if !(waits && state.members().any(unasked)) {
            self.accept(id, epoch);
        }
    }

    fn accept(&mut self, id: NodeId, epoch: u64) {
        let begun = self.state.node(id).and_then(|node| node.probe.asked);
        let primaryship = &mut self.state.primaryship;
        primaryship.claim = None;
        primaryship.begun = begun;
        let before_sleep = primaryship.before_sleep.epoch.take();
        let before = before_sleep.filter(|before| *before != epoch);
        primaryship.changes += u64::from(primaryship.epoch.or(before).is_some());
        primaryship.epoch = Some(epoch);
        primaryship.seen.greatest = primaryship.seen.greatest.max(Some(epoch));
        let ends_conflict = std::mem::take(&mut primaryship.conflict);
        let old = primaryship.owner.replace(id);
        primaryship.named = primaryship.named.filter(|named| *named == id);
        if ends_conflict {
            self.out.notice(Notice::ConflictOver);
        }
        if let Some(node) = self.node_mut(id) {
            node.fencing.reigned = Some(epoch);
        }
        self.begin_history(id);
        if let Some(old) = old.filter(|old| *old != id) {
            self.end_primaryship(old, true);
        }
    }

    /// Gives the epoch to whoever takes writes in the place of one that follows now, where nobody can show any.
    pub(super) fn hand_over_untold(&mut self) {
        let next = takes_over_untold(self.state);
        if let (Some(epoch), Some(next)) = (self.state.primaryship.epoch, next)
            && self.state.primaryship.claim.is_none()
        {
            self.accept(next, epoch);
        }
    }

    /// What is in flight on the old one ends, whatever has become of it (T7); of one that was fenced it has. Without `cut` it
    /// goes on: it is where it belongs, by another name.
    fn end_primaryship(&mut self, old: NodeId, cut: bool) {
        if let Some(node) = self.node_mut(old).filter(|old| old.fencing.cause.is_none()) {
            node.role = Role::Unknown;
            self.new_pool(old, cut);
        }
    }

    /// Positions of this primary from here on.
    fn begin_history(&mut self, id: NodeId) {
        self.state.history.clear();
        if let Some(node) = self.state.node(id)
            && let (Some(position), Some(asked)) = (node.said.position, node.probe.asked)
        {
            self.state.history.note(position, asked);
        }
    }

    /// Who of those that claim the epoch has it.
    fn settle_owner(&mut self, equal: &[NodeId]) {
        let state = &*self.state;
        let owner = state.primaryship.owner;
        let named = state.primaryship.named.filter(|id| equal.contains(id));
        let present = owner
            .and_then(|owner| state.node(owner))
            .filter(|node| node.is_member());
        let follows = present.is_some_and(|node| node.said.in_recovery == Fact::Known(true));
        // The owner first, also when it is silent: what it was last seen to claim it may claim still.
        let mut claimants: Vec<&NodeState> = Vec::new();
        let first = owner.filter(|owner| equal.contains(owner));
        for node in first.iter().chain(equal).filter_map(|id| state.node(*id)) {
            let known = |known: &&NodeState| known.id == node.id || same_server(known, node);
            if !claimants.iter().any(known) {
                claimants.push(node);
            }
        }
        let relief = relief(state, equal);
        let kept = state.tuning.failover.keep_first && first.is_some();
        let conflict = claimants.len() > 1 && named.is_none() && !kept;
        let was = self.state.primaryship.conflict;
        let next = match (named, &claimants[..]) {
            (Some(named), _) => Some(named),
            _ if relief.is_some() => relief,
            (None, [first, ..]) if present.is_none_or(|node| follows || is_over_by_death(node)) => {
                Some(first.id)
            }
            // The owner is silent and was last seen to follow nobody: its epoch is not another's.
            _ => owner,
        };
        let ids: Vec<NodeId> = claimants.iter().map(|node| node.id).collect();
        match (was, conflict) {
            (false, true) => {
                self.state.primaryship.conflict_since = Some(self.now);
                for node in ids {
                    self.out.notice(Notice::Conflict { node });
                }
            }
            (true, false) => self.out.notice(Notice::ConflictOver),
            _ => {}
        }
        self.state.primaryship.conflict = conflict;
        if next == owner {
            return;
        }
        self.state.primaryship.owner = next;
        if let Some(old) = owner {
            self.end_primaryship(old, relief.is_none());
        }
        if let Some(next) = next {
            self.begin_history(next);
            if was && named == Some(next) {
                // What the two wrote in their one epoch are two histories.
                self.begin_positions(next);
            }
        }
    }

    /// Positions from before are of what was before, and so is what another handle was told before.
    fn begin_positions(&mut self, id: NodeId) {
        if let Some(node) = self.state.node(id)
            && let Fact::Known(epoch) = node.said.epoch
        {
            let named = Named {
                cluster: node.said.identity.known(),
                timeline: epoch,
                started: node.said.started,
            };
            self.state.pending_word = None;
            self.out.answer(Effect::Accepted(named));
        }
    }

    /// An authority says that a node was promoted: its word counts as soon as it says so itself.
    pub(crate) fn take_word(&mut self, id: NodeId) {
        if self.state.node(id).is_some_and(NodeState::is_member) {
            self.state.primaryship.named = Some(id);
            self.ask_everyone();
        }
    }

    /// An authority names the primary to this handle, and positions begin anew with that.
    pub(in crate::state) fn force_primary(&mut self, id: NodeId) {
        if self.accept_word(id) {
            self.begin_positions(id);
        }
    }

    /// An authority names the primary: an administrator, a cluster manager (T3, T4). What was remembered of greater
    /// epochs is forgotten, since a cluster that was restored may have a smaller one. Whether it says so itself.
    pub(crate) fn accept_word(&mut self, id: NodeId) -> bool {
        let Some(node) = self.state.node(id).filter(|node| node.is_member()) else {
            return false;
        };
        let claims = node.said.in_recovery == Fact::Known(false);
        let (identity, epoch) = (node.said.identity, node.said.epoch);
        self.state.primaryship.named = Some(id);
        let epoch = epoch.known().filter(|_| claims);
        if let Some(epoch) = epoch {
            if let Fact::Known(identity) = identity {
                self.state.primaryship.identity = Some(identity);
            }
            // Whoever claims to be it now was known to the authority.
            for other in &mut self.state.nodes {
                let claims = other.said.in_recovery == Fact::Known(false) && other.id != id;
                other.fencing.overruled = other.said.epoch.known().filter(|_| claims);
            }
            // And so was whoever is followed in this cluster.
            let others = self
                .state
                .members()
                .filter(|other| other.id != id && other.said.identity == identity);
            let followed = others.filter_map(|other| other.said.epoch.known()).max();
            let primaryship = &mut self.state.primaryship;
            let seen = &mut primaryship.seen;
            seen.overruled = seen.overruled.max(seen.greatest).max(followed);
            seen.greatest = Some(epoch);
            if (primaryship.owner, primaryship.epoch) != (Some(id), Some(epoch)) {
                self.accept(id, epoch);
            }
        }
        let now = self.now;
        self.ask_probe(id, now);
        epoch.is_some()
    }

    /// Asks every node that is not known to be dead, now, but the one that has just said that it is the primary.
    pub(in crate::state) fn ask_everyone(&mut self) {
        let (now, claim) = (self.now, self.state.primaryship.claim);
        let asked = |node: &&NodeState| {
            !node.is_ejected() && claim.is_none_or(|claim| claim.node != node.id)
        };
        let asked: Vec<NodeId> = self
            .state
            .members()
            .filter(asked)
            .map(|node| node.id)
            .collect();
        for id in asked {
            self.ask_probe(id, now);
        }
    }
}
