//! What one routing decision reads: worked out when a snapshot is built, so that the decision itself is arithmetic.
//!
//! Eligibility, zone, latency window and weights change when something happens to a node, a few times a second at the
//! most; decisions are made hundreds of thousands of times. So the lists to choose from are made here. Weights and
//! latencies are folded into one figure, the capacity: a node's share of reads while nobody is busy.

use std::sync::Arc;

use super::eligible::{ineligible, is_copy, is_untold, out_of_service, shown_of};
use super::groups::{Group, Groups, ReadCandidate};
use super::{Moment, NodeState, Outage, State};
use crate::vocabulary::{FenceReason, Flavour, Ineligible, NodeId, Role};

/// One node in the list, by position: the snapshot's pools stand in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ViewNode {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) tags: Arc<[Arc<str>]>,
    pub(crate) generation: u64,
    pub(crate) role: Role,
    /// Why it serves no reads as a replica.
    pub(crate) ineligible: Option<Ineligible>,
    /// Why it is not used although it answers.
    pub(crate) fenced: Option<FenceReason>,
    /// Which system it is, where it is known.
    pub(crate) flavour: Option<Flavour>,
    /// Found dead, or under grave suspicion, until its next probe.
    pub(crate) in_doubt: bool,
    /// Found dead.
    pub(crate) ejected: bool,
    /// The primaryship that it shows or follows, where it is known.
    pub(crate) epoch: Option<u64>,
    /// How connections to it ended last.
    pub(crate) outage: Option<Outage>,
    /// The node replays what the primary writes, as far as is known: a replica that was taken out of service has a copy still.
    pub(crate) is_copy: bool,
    /// The primary changed, and nobody can tell whether this one follows it: only reads that may miss anything (T2).
    pub(crate) untold: bool,
}

/// What one routing decision reads of all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) version: u64,
    pub(crate) nodes: Box<[ViewNode]>,
    pub(crate) primary: Option<usize>,
    /// Which system the servers are, where it is known.
    pub(crate) flavour: Option<Flavour>,
    /// What the primary is called, or the last one while there is none.
    pub(crate) last_primary: Option<Arc<str>>,
    /// The greatest epoch that was seen.
    pub(crate) epoch: Option<u64>,
    /// Since when there is none.
    pub(crate) none_since: Option<Moment>,
    /// Nobody is asked anything: whoever wants something wakes the cluster, and waits (T17).
    pub(crate) asleep: bool,
    /// Replicas are configured, whatever their state, and splitting is on.
    pub(crate) splits: bool,
    /// Some node is untold.
    pub(crate) any_untold: bool,
    /// Some text is suspected of a crash.
    pub(crate) any_suspect: bool,
    /// Whom a read that asks for nothing goes to, and by zone and tag for those who ask for one.
    pub(crate) groups: Groups,
    /// Every eligible replica, whatever its zone, tags, latency or load: where to turn when the lists above are used up.
    pub(crate) replicas: Group,
    pub(crate) waiters_limit: u32,
}

impl ViewNode {
    fn of(node: &NodeState, state: &State) -> Self {
        Self {
            id: node.id,
            name: node.spec.name.clone(),
            zone: node.spec.zone.clone(),
            tags: Arc::clone(&node.spec.tags),
            generation: node.generation,
            role: node.role,
            ineligible: ineligible(node, state),
            fenced: node.fencing.cause,
            flavour: flavour_of(node, state),
            in_doubt: node.is_in_doubt(),
            ejected: node.is_ejected(),
            epoch: state.timeline(node.said.epoch.known()),
            outage: node.condition.outage,
            is_copy: is_copy(node, state),
            untold: is_untold(node, state),
        }
    }

    /// What people and metrics are told of it as a replica: why it serves no reads, or only those that may miss anything.
    #[must_use]
    pub(crate) fn shown(&self) -> Option<Ineligible> {
        shown_of(self.ineligible, self.untold)
    }
}

impl View {
    /// The view of this state.
    #[must_use]
    pub(crate) fn new(state: &State) -> Self {
        let members: Vec<&NodeState> = state.members().collect();
        let nodes: Box<[ViewNode]> = members
            .iter()
            .map(|node| ViewNode::of(node, state))
            .collect();
        let (readers, everyone) = candidates(state, &members, &nodes);
        let window = state.tuning.latency_window;
        let groups = Groups::new(&everyone, state.tuning.zone.as_ref(), window);
        let suspected = |node: &ViewNode| node.outage.as_ref().and_then(Outage::suspect).is_some();
        Self {
            version: state.version,
            primary: nodes.iter().position(|node| node.role == Role::Primary),
            flavour: state.flavour(),
            last_primary: state.last_primary().map(|node| node.spec.name.clone()),
            epoch: state.timeline(state.primaryship.seen.greatest),
            none_since: state.primaryship.none_since,
            asleep: state.sleeping.asleep,
            splits: state.tuning.enabled && has_replicas(&members),
            groups,
            any_suspect: nodes.iter().any(suspected),
            any_untold: nodes.iter().any(|node| node.untold),
            replicas: Group::new(readers.iter().map(|reader| reader.candidate(1)).collect()),
            nodes,
            waiters_limit: state.tuning.waiters_limit,
        }
    }

    /// The nodes in the list, in the order that indexes mean.
    #[must_use]
    pub(crate) fn nodes(&self) -> &[ViewNode] {
        &self.nodes
    }

    /// Where a node stands.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn index_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    /// Whether a replica is out of use only until its next probe: what finds nobody else waits for that, a matter of
    /// milliseconds, where it would be refused.
    #[must_use]
    pub(crate) fn settles_soon(&self) -> bool {
        self.nodes.iter().any(|node| {
            matches!(
                node.ineligible,
                Some(Ineligible::Suspected | Ineligible::NotKnownToBeNear)
            )
        })
    }
}

/// What a node is shown as. A server that follows nobody and receives rows by logical replication is a subscriber, unless
/// it takes the writes: a primary may receive others' rows.
fn flavour_of(node: &NodeState, state: &State) -> Option<Flavour> {
    match node.said.system.subscribes && node.role != Role::Primary {
        true => Some(Flavour::LogicalSubscriber),
        false => state.tuning.flavour.or(node.said.system.flavour),
    }
}

/// The eligible replicas; and these with the primary, where it takes part in reads beside some of them.
fn candidates<'s>(
    state: &State,
    members: &[&'s NodeState],
    nodes: &[ViewNode],
) -> (Vec<ReadCandidate<'s>>, Vec<ReadCandidate<'s>>) {
    let all = || members.iter().copied().enumerate();
    let readers: Vec<_> = all()
        .filter(|(index, _)| nodes[*index].ineligible.is_none())
        .map(|(index, node)| ReadCandidate {
            index,
            node,
            weight: node.weight(),
        })
        .collect();
    let mut everyone = readers.clone();
    let everywhere = state.writes_everywhere();
    let primary_weight = state.tuning.primary_weight;
    // Where every node takes writes, the one that has them has reads too.
    let weight_of = |node: &NodeState| match everywhere {
        true => node.weight(),
        false => primary_weight,
    };
    if (everywhere || primary_weight > 0) && !readers.is_empty() {
        let takes_part =
            |node: &NodeState| node.role == Role::Primary && out_of_service(node).is_none();
        everyone.extend(
            all()
                .filter(|(_, node)| takes_part(node))
                .map(|(index, node)| ReadCandidate {
                    index,
                    node,
                    weight: weight_of(node),
                }),
        );
    }
    (readers, everyone)
}

/// Whether there is a node that is a replica, or may be one.
fn has_replicas(members: &[&NodeState]) -> bool {
    members.iter().any(|node| match node.spec.role {
        Role::Replica => true,
        Role::Unknown => members.len() > 1,
        Role::Primary | Role::Fenced => node.role == Role::Replica,
    })
}
