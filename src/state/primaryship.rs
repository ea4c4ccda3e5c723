//! Epoch fencing: who the primary is (T2–T5), so that a primary of an older epoch gets no writes.
//!
//! The reducer settles it after every event, from what probes found; the worker gives the answer to statements.
//!
//! Whoever is not in recovery claims to be it, in the epoch that it shows. The greatest epoch ever seen is remembered
//! and nothing below it is ever the primary again. A new epoch counts only once every other node that can be asked was
//! asked after it was seen: of two that were promoted into one epoch, the later one then finds the earlier one, so that
//! two processes that meet them in opposite order never write to both. Two in one epoch are a conflict, and then nobody
//! is the primary until an authority names one, or one is seen to follow again.

mod before_sleep;
mod claimant;
mod claims;
mod later;
pub(super) mod pending_word;
mod relief;
mod succession;
mod witness;

use std::sync::Arc;

use super::step::Step;
use super::{
    Effect, Fact, Moment, NodeState, Notice, State, Withheld, Writers, catalog, everywhere,
};
use crate::vocabulary::{FenceReason, NodeId, Role};
use before_sleep::BeforeSleep;
use claimant::{claimed, same_server};
use claims::{CONFIRM_LIMIT, Claim};
use succession::Kin;
pub(crate) use witness::Undecided;

/// What holds for the cluster as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Primaryship {
    /// The cluster's, by its first primary.
    pub(crate) identity: Option<u64>,
    /// The epoch that was accepted last.
    pub(crate) epoch: Option<u64>,
    /// What nodes have shown, accepted or not.
    pub(crate) seen: SeenEpochs,
    /// How often the epoch changed.
    pub(crate) changes: u64,
    /// Whose epoch it is.
    owner: Option<NodeId>,
    /// When the owner was asked that said so: who has answered nothing since may be dead.
    begun: Option<Moment>,
    /// The node that takes writes.
    pub(crate) primary: Option<NodeId>,
    /// Since when there is none.
    pub(crate) none_since: Option<Moment>,
    /// A new epoch that is not accepted yet.
    claim: Option<Claim>,
    /// The node that an authority named.
    named: Option<NodeId>,
    /// Several claim the epoch.
    pub(crate) conflict: bool,
    /// Since when they do, as far as the last conflict goes.
    conflict_since: Option<Moment>,
    /// At the start nobody knows which of two epochs counts.
    pub(crate) undecided: Option<Undecided>,
    /// Statements wait for a node.
    pub(crate) has_waiters: bool,
    /// What some node does not tell for want of a right, as far as that was said.
    pub(crate) withheld: Option<Withheld>,
    /// Whose transactions the last primary had when it was asked last.
    last_writers: Option<Arc<Writers>>,
    /// What held before the cluster slept, until somebody is the primary again.
    pub(super) before_sleep: BeforeSleep,
}

/// Epochs that speak against whoever shows another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenEpochs {
    /// The greatest that was seen: nothing below it takes writes, also while it is not accepted.
    pub(crate) greatest: Option<u64>,
    /// The greatest that was seen before an authority took an earlier one: whoever still shows it is of what is over.
    pub(crate) overruled: Option<u64>,
}

impl Primaryship {
    /// Forgets who the primary is, and in which epoch, for the sleep of an idle cluster (T17).
    pub(super) fn forget(&mut self) {
        *self = Self {
            identity: self.identity,
            seen: self.seen,
            changes: self.changes,
            named: self.named,
            has_waiters: self.has_waiters,
            withheld: self.withheld,
            last_writers: self.last_writers.clone(),
            before_sleep: self.before_sleep.followed_by(self.primary, self.epoch),
            ..Self::default()
        };
    }
}

impl State {
    /// The primary, or the last one while there is none.
    pub(crate) fn last_primary(&self) -> Option<&NodeState> {
        self.node(self.primaryship.owner?)
    }

    /// Whether a new epoch waits for the other nodes' answers.
    pub(crate) fn is_confirming(&self) -> bool {
        self.primaryship.claim.is_some()
    }

    /// The primary, or whoever's new epoch waits for the other nodes' answers.
    pub(crate) fn claimant(&self) -> Option<NodeId> {
        let claim = self.primaryship.claim.map(|claim| claim.node);
        self.primaryship.primary.or(claim)
    }

    /// When the claim no longer waits.
    pub(super) fn confirm_at(&self) -> Option<Moment> {
        let claim = self.primaryship.claim?;
        Some(claim.since.after(CONFIRM_LIMIT))
    }

    /// Whether a new epoch waits for this node's answer.
    pub(super) fn awaits(&self, node: &NodeState) -> bool {
        let since = |claim: Claim| node.probe.asked.is_none_or(|asked| asked < claim.since);
        self.primaryship.claim.is_some_and(since)
    }

    /// Whether another node was the last one to take writes.
    fn has_other_owner(&self, id: NodeId) -> bool {
        self.primaryship.owner.is_some_and(|owner| owner != id)
    }

    /// Whether this node was the last one to take writes.
    pub(super) fn owns(&self, id: NodeId) -> bool {
        self.primaryship.owner == Some(id)
    }
}

/// Settles every node's role by what is known now.
pub(super) fn settle(step: &mut Step<'_>) {
    learn_identity(step.state);
    let everywhere = step.state.writes_everywhere();
    let primary = match step.state.tuning.failover.enabled {
        true if everywhere => everywhere::writer(step),
        true => observed(step),
        false => step.state.configured(),
    };
    let before = step.state.primaryship.primary;
    step.state.primaryship.primary = primary;
    succession::note_last_writers(step.state);
    for index in 0..step.state.nodes.len() {
        assign(step, index, primary);
    }
    if primary == before {
        return;
    }
    let now = step.now;
    step.out.publish();
    // Where there are no epochs, nothing else ends what is in flight on the old one (T7). Where every node takes writes, it
    // may end by itself.
    let old = before
        .and_then(|old| step.state.node(old))
        .filter(|old| old.is_member() && !everywhere);
    if let (Some(old), Some(_), None) =
        (old.map(|old| old.id), primary, step.state.primaryship.epoch)
    {
        step.new_pool(old, true);
    }
    match primary {
        Some(node) => {
            let without = step
                .state
                .primaryship
                .none_since
                .take()
                .map(|since| now.since(since));
            let before_sleep = step.state.primaryship.before_sleep.primary.take();
            if before_sleep != Some(node) {
                step.out.notice(Notice::PrimaryIs { node, without });
            }
            step.out.answer(Effect::AskPosition);
            catalog::found_primary(step);
        }
        None => {
            step.state.primaryship.none_since = Some(now);
            step.out.notice(Notice::NoPrimary);
            step.ask_everyone();
            step.ask_the_ejected();
        }
    }
}

/// The cluster is the primary's.
fn learn_identity(state: &mut State) {
    if state.primaryship.identity.is_none()
        && let Some(primary) = state.primary()
        && let Fact::Known(identity) = primary.said.identity
        && primary.said.in_recovery != Fact::Known(true)
    {
        state.primaryship.identity = Some(identity);
    }
}

fn observed(step: &mut Step<'_>) -> Option<NodeId> {
    succession::inherit(step.state);
    step.know_of_followed();
    claims::take_claims(step);
    step.hand_over_untold();
    let state = &*step.state;
    if state.primaryship.claim.is_some() {
        // The old one is over, and the new one has not begun.
        return None;
    }
    if state.primaryship.undecided.is_some() {
        return None;
    }
    let Some(epoch) = state.primaryship.epoch else {
        // The cluster showed epochs before it slept: nobody writes to one that has not shown its own since.
        if state.primaryship.before_sleep.epoch.is_some() {
            return None;
        }
        // Nobody has shown an epoch, so roles are as configured. One that was found dead while standbys are there is
        // waited for.
        if let Some(only) = claims::without_epoch(state) {
            return Some(only);
        }
        let named = state.configured()?;
        let follows = |node: &NodeState| node.said.in_recovery == Fact::Known(true);
        let dead = state.node(named).is_some_and(NodeState::is_ejected);
        let gone = state.node(named).is_some_and(follows);
        let over = gone || (dead && state.members().any(follows));
        return (!over).then_some(named);
    };
    if state.primaryship.conflict || state.primaryship.seen.greatest > state.primaryship.epoch {
        return None;
    }
    let node = state.node(state.primaryship.owner?)?;
    let alone = state.members().count() == 1;
    let claims = claimed(node, state) == Some(epoch) || succession::keeps(node, state);
    let reigns = claims && (alone || !node.is_ejected());
    reigns.then_some(node.id)
}

fn assign(step: &mut Step<'_>, index: usize, primary: Option<NodeId>) {
    let state = &*step.state;
    let node = &state.nodes[index];
    // What joins may come with another primary, and what leaves only ends what it has begun.
    if !node.is_member() {
        return;
    }
    let fence = fence(node, state, primary);
    let role = match fence {
        Some(_) => Role::Fenced,
        None if primary == Some(node.id) => Role::Primary,
        None => unfenced(node, state),
    };
    let (id, old_fence, old_role) = (node.id, node.fencing.cause, node.role);
    let was_announced = announce_fence(step, index, fence);
    if (fence, role) == (old_fence, old_role) {
        return;
    }
    let node = &mut step.state.nodes[index];
    node.fencing.cause = fence;
    node.role = role;
    if fence.is_none() && old_fence.is_some() && was_announced {
        step.out.notice(Notice::Unfenced { node: id });
    }
    // It took writes until now, and would take those that are on their way (T7). A silent one has them still.
    let took = old_role == Role::Primary || (old_role == Role::Unknown && step.state.owns(id));
    if took && role == Role::Fenced {
        step.new_pool(id, true);
    }
    step.out.publish();
}

/// Tells of a fence once it is there and the node has answered since: one that was found dead takes no writes, and its end
/// has a line of its own. Whether the fence before this one was told.
fn announce_fence(step: &mut Step<'_>, index: usize, fence: Option<FenceReason>) -> bool {
    let state = &*step.state;
    let unheard = |node: &NodeState| node.probe.asked.is_none() && !node.is_ejected();
    let settled = state.primaryship.claim.is_none() && !state.members().any(unheard);
    // Of one that is over it is told who the primary is now, or that nobody says so who was asked.
    let none_since = state.primaryship.none_since;
    let unasked = |node: &NodeState| !node.is_ejected() && node.probe.asked < none_since;
    let open = state.primaryship.primary.is_none()
        && state.primaryship.claim.is_none()
        && (none_since.is_none() || state.members().any(unasked));
    let claimed = state.claimant().and_then(|claimant| state.node(claimant));
    let claimed = claimed.filter(|claimant| state.primaryship.primary != Some(claimant.id));
    let claimed = claimed.and_then(|claimant| claimant.probe.asked);
    let since = state.primaryship.begun.max(none_since).max(claimed);
    let node = &mut step.state.nodes[index];
    let was_announced = node.fencing.announced.is_some();
    let unanswered = node.probe.answered < since;
    let silent = node.is_ejected() || node.condition.suspicion.is_some() || unanswered;
    match fence {
        None => node.fencing.announced = None,
        Some(FenceReason::Stale) if silent || open => {}
        // What it is ahead of is not known before the others are heard: it may be one of them under another name.
        Some(FenceReason::Quarantined) if !settled => {}
        Some(cause) => {
            if node.fencing.announced.replace(cause) != Some(cause) {
                let node = node.id;
                step.out.notice(Notice::Fenced { node, cause });
            }
        }
    }
    was_announced
}

/// What a node may do that is neither the primary nor fenced.
fn unfenced(node: &NodeState, state: &State) -> Role {
    match (node.said.in_recovery, node.spec.role) {
        _ if !state.tuning.failover.enabled => node.spec.role,
        _ if state.writes_everywhere() => everywhere::role(node),
        (Fact::Known(true), _) => Role::Replica,
        // Its list calls it the primary, another one is that, and it is set up to receive.
        (Fact::Unknown, Role::Primary) if receives(node) && state.has_other_owner(node.id) => {
            Role::Replica
        }
        // Not in recovery, and not the primary now: it is silent, or not accepted yet.
        (Fact::Known(false), _) | (_, Role::Primary) => Role::Unknown,
        (_, role) => role,
    }
}

fn receives(node: &NodeState) -> bool {
    let standing = node.said.standing;
    standing.is_some_and(|standing| standing.receives == Fact::Known(true))
}

fn fence(node: &NodeState, state: &State, primary: Option<NodeId>) -> Option<FenceReason> {
    if primary == Some(node.id) {
        return None;
    }
    let foreign = everywhere::fence(node, state);
    if foreign.is_some() || state.writes_everywhere() {
        return foreign;
    }
    match (node.said.identity, state.primaryship.identity) {
        (Fact::Known(own), Some(home)) if own != home => return Some(FenceReason::OtherCluster),
        _ => {}
    }
    // Of two that are undecided neither is known to be the wrong one.
    if node.said.in_recovery != Fact::Known(false) || state.primaryship.undecided.is_some() {
        return None;
    }
    match succession::kin_of_primary(node, state) {
        Some(Kin::Stranger) => return Some(FenceReason::OtherCluster),
        Some(Kin::Rival) if state.primaryship.conflict => return Some(FenceReason::Conflict),
        _ => {}
    }
    let known = match (node.said.epoch, state.primaryship.seen.greatest) {
        (Fact::Known(epoch), Some(greatest)) if state.tuning.failover.enabled => {
            Some((epoch, greatest))
        }
        _ => None,
    };
    let Some((epoch, greatest)) = known else {
        return (node.spec.role == Role::Replica).then_some(FenceReason::NotInRecovery);
    };
    if epoch < greatest {
        return Some(FenceReason::Stale);
    }
    if state
        .primaryship
        .claim
        .is_some_and(|claim| claim.node == node.id)
    {
        return None;
    }
    if state
        .primaryship
        .epoch
        .is_none_or(|accepted| epoch > accepted)
    {
        return Some(FenceReason::Quarantined);
    }
    match state.primaryship.owner.and_then(|owner| state.node(owner)) {
        Some(owner) if owner.id == node.id => {
            state.primaryship.conflict.then_some(FenceReason::Conflict)
        }
        Some(owner) if same_server(owner, node) => Some(FenceReason::SameServer),
        _ => Some(FenceReason::Conflict),
    }
}
