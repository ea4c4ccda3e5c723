//! Which system the cluster is, and clusters whose nodes all take writes (T18).
//!
//! Such a node is in no recovery and shows no epoch: there is nothing to fence it by, and no need. One of them takes this
//! process's writes all the same, so that a transaction, a pause of writes and `concrete()` have one place; when it is
//! found dead another one does, and that one keeps them. A read sees what was written on any other node before it
//! began, so it goes to any of them. To deal one process's writes out over all nodes was rejected. Each node stamps by its own
//! clock: of two writes of different rows, one after the other through two nodes, the later one may get the earlier time, and
//! whoever reads at a time in between sees the second without the first. Whoever writes on a node whose clock is behind
//! has to begin again more often, and nobody begins it again for the application. And every node would need a pool that may
//! write for reads too. Processes that name different nodes first spread their writes.

use super::step::Step;
use super::{Fact, Membership, NodeState, State};
use crate::vocabulary::{FenceReason, Flavour, NodeId, Role};

impl State {
    /// Which system the servers are: what is set, or what was heard.
    pub(crate) fn flavour(&self) -> Option<Flavour> {
        self.tuning.flavour.or(self.flavour)
    }

    /// Whether every node takes writes.
    pub(crate) fn writes_everywhere(&self) -> bool {
        self.flavour()
            .is_some_and(|flavour| flavour.row().writes_everywhere)
    }

    /// Whether positions of this cluster prove what a replica has.
    pub(crate) fn has_positions(&self) -> bool {
        let proves = |flavour: Flavour| flavour.row().positions;
        // What is fenced serves nobody, whatever it is.
        let counts = |node: &&NodeState| node.role != Role::Fenced;
        let mut members = self.members().filter(counts);
        self.flavour().is_none_or(proves) && !members.any(|node| node.said.system.proves_nothing)
    }

    /// What begins a read that a follower may serve (T18); nothing where no node lets one begin.
    #[cfg(feature = "postgres")]
    pub(crate) fn follower_read(&self) -> Option<String> {
        let can = self.members().any(|node| node.said.system.follower_reads);
        let text = self.flavour()?.follower_read(self.tuning.max_lag);
        text.filter(|_| can && self.writes_everywhere())
    }

    /// The cluster is what its configured primary is, and where the list names none what answers first: a replica's
    /// address may be wrong, and then the writes must not go there.
    pub(super) fn learn_flavour(&mut self, id: NodeId, told: Option<Flavour>) {
        let counts = self.configured().is_none_or(|named| named == id);
        let is_member = self.node(id).is_some_and(NodeState::is_member);
        if counts && is_member && self.flavour.is_none() {
            self.flavour = told;
        }
    }
}

/// Who takes the writes where every node may: who takes them now, for as long as it lives.
pub(super) fn writer(step: &mut Step<'_>) -> Option<NodeId> {
    let state = &*step.state;
    let alone = state.members().count() == 1;
    // The only one there is keeps them, whatever was heard of it.
    let lives = |node: &NodeState| alone || !node.is_ejected();
    let takes = |node: &NodeState| {
        lives(node) && node.stand == Membership::Member && fence(node, state).is_none()
    };
    let now = state.primaryship.primary.and_then(|id| state.node(id));
    if let Some(now) = now.filter(|now| takes(now)) {
        return Some(now.id);
    }
    let seen = |node: &&NodeState| node.probe.seen && takes(node);
    let others: Vec<NodeId> = state.members().filter(seen).map(|node| node.id).collect();
    let configured = state.configured();
    if let Some(named) = configured.filter(|named| others.contains(named)) {
        return Some(named);
    }
    let unasked = |node: &NodeState| node.probe.asked.is_none() && !node.is_ejected();
    if now.is_none() && configured.is_none() && state.members().any(unasked) {
        // Whoever answers first would take the writes of all processes.
        return None;
    }
    step.rng.choice(others)
}

/// What a node may do there that is neither the one that takes the writes nor fenced.
pub(super) fn role(node: &NodeState) -> Role {
    match node.probe.seen {
        true => Role::Replica,
        false if node.spec.role == Role::Primary => Role::Unknown,
        false => node.spec.role,
    }
}

/// Why a node is none of the cluster's system: it says that it is another, or it is in recovery, which these never are.
/// Whether every node takes writes is a server's own word, and no setting's: reads of a PostgreSQL that was said to be
/// CockroachDB missed its primary's writes, and a server beside it took them.
pub(super) fn fence(node: &NodeState, state: &State) -> Option<FenceReason> {
    let ours = state.flavour()?.row().writes_everywhere;
    let own = node.said.system.flavour;
    let other = own.is_some_and(|own| own.row().writes_everywhere != ours);
    let follows = ours && node.said.in_recovery == Fact::Known(true);
    (other || follows).then_some(FenceReason::OtherSystem)
}
