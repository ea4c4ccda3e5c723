//! Groups of nodes to choose from: everybody, and those that share a zone, a tag or both (R10).
//!
//! Made when a snapshot is built, for each zone and tag that an eligible node has: a decision only looks one up. To
//! filter everybody by every decision was rejected: it would have to sum up capacities each time.

use std::sync::Arc;
use std::time::Duration;

use super::probe::millis;
use super::{NodeHealth, NodeState, Tuning};

/// Fine enough that a weight of 1 in ramp-up and 100 ms away is not nothing.
const SCALE: u64 = 1000;

/// A node to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The node's index among the view's nodes.
    pub(crate) index: usize,
    /// The node's weight, as far as its ramp goes, over the time that it takes. Never 0.
    pub(crate) capacity: u64,
}

/// Nodes to choose from, with the sum of their capacities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) members: Box<[Candidate]>,
    pub(crate) total: u64,
}

/// Which nodes one handle would rather have; the others serve where there is none of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preference {
    /// In the place of the configured zone.
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) tag: Option<Arc<str>>,
}

/// The nodes that have this zone, this tag, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NamedGroup {
    zone: Option<Arc<str>>,
    tag: Option<Arc<str>>,
    group: Group,
}

/// The groups of one snapshot; each but the last two has a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    named: Box<[NamedGroup]>,
    /// The configured zone.
    zone: Option<Arc<str>>,
    /// The configured zone's nodes, or everyone's.
    usual: Group,
    /// Everyone's.
    all: Group,
}

/// Groups in the order in which they are turned to.
pub(crate) struct GroupOrder<'g> {
    groups: [&'g Group; 4],
    len: usize,
}

impl<'g> GroupOrder<'g> {
    /// The group to choose from.
    pub(crate) fn first(&self) -> &'g Group {
        let [first, ..] = self.groups;
        first
    }

    /// All groups of the order, the first one first.
    pub(crate) fn all(&self) -> &[&'g Group] {
        self.groups.get(..self.len).unwrap_or_default()
    }
}

impl Groups {
    pub(super) fn new(
        everyone: &[ReadCandidate<'_>],
        zone: Option<&Arc<str>>,
        window: Duration,
    ) -> Self {
        let mut groups = Self {
            named: named(everyone, window).into_boxed_slice(),
            zone: zone.cloned(),
            usual: Group::default(),
            all: group(everyone.iter().copied(), window),
        };
        let usual = groups.find(zone, None).unwrap_or(&groups.all).clone();
        groups.usual = usual;
        groups
    }

    /// Where a handle turns to: the tag in its zone, the tag anywhere, its zone, `last`; what nobody is in is left out. A
    /// tag says what a node is meant for, and goes before the zone, which says how far it is.
    pub(crate) fn in_order<'g>(
        &'g self,
        wanted: Option<&Preference>,
        last: &'g Group,
    ) -> GroupOrder<'g> {
        let mut order = GroupOrder {
            groups: [last; 4],
            len: 0,
        };
        let Some(Preference { zone, tag }) = wanted else {
            order.add(&self.usual);
            order.add(last);
            return order;
        };
        let zone = zone.as_ref().or(self.zone.as_ref());
        if tag.is_some() {
            let both = zone.and_then(|zone| self.find(Some(zone), tag.as_ref()));
            let tagged = self.find(None, tag.as_ref());
            both.into_iter()
                .chain(tagged)
                .for_each(|found| order.add(found));
        }
        order.add(self.find(zone, None).unwrap_or(&self.all));
        order.add(last);
        order
    }

    fn find(&self, zone: Option<&Arc<str>>, tag: Option<&Arc<str>>) -> Option<&Group> {
        let found = self.named.iter().find(|known| known.is(zone, tag))?;
        Some(&found.group)
    }
}

impl<'g> GroupOrder<'g> {
    fn add(&mut self, group: &'g Group) {
        if let Some(place) = self.groups.get_mut(self.len) {
            *place = group;
            self.len += 1;
        }
    }
}

impl NamedGroup {
    fn is(&self, zone: Option<&Arc<str>>, tag: Option<&Arc<str>>) -> bool {
        self.zone.as_ref() == zone && self.tag.as_ref() == tag
    }
}

/// The groups that somebody is in.
fn named(everyone: &[ReadCandidate<'_>], window: Duration) -> Vec<NamedGroup> {
    let mut named: Vec<NamedGroup> = Vec::new();
    for reader in everyone {
        let spec = &reader.node.spec;
        let tags = || spec.tags.iter().map(Some).chain([None]);
        let pairs = [spec.zone.as_ref(), None]
            .into_iter()
            .flat_map(|zone| tags().map(move |tag| (zone, tag)));
        for (zone, tag) in pairs {
            let is_all = zone.is_none() && tag.is_none();
            if is_all || named.iter().any(|known| known.is(zone, tag)) {
                continue;
            }
            let inside = everyone.iter().copied().filter(|reader| {
                let spec = &reader.node.spec;
                (zone.is_none() || spec.zone.as_ref() == zone)
                    && tag.is_none_or(|tag| spec.tags.contains(tag))
            });
            named.push(NamedGroup {
                zone: zone.cloned(),
                tag: tag.cloned(),
                group: group(inside, window),
            });
        }
    }
    named
}

impl Group {
    pub(super) fn new(members: Box<[Candidate]>) -> Self {
        let total = members.iter().map(|candidate| candidate.capacity).sum();
        Self { members, total }
    }
}

/// A node that may be chosen, as the state has it.
#[derive(Clone, Copy)]
pub(super) struct ReadCandidate<'s> {
    pub(super) index: usize,
    pub(super) node: &'s NodeState,
    pub(super) weight: u32,
}

impl ReadCandidate<'_> {
    /// Short of connections, or perhaps dead: others first.
    fn avoided(&self) -> bool {
        self.node.condition.saturated_until.is_some() || self.node.condition.suspicion.is_some()
    }

    /// With its capacity beside nodes the fastest of which answers checks within so many milliseconds. What is far takes
    /// longer for statements as well, so of both the longer time counts, and not their product.
    pub(super) fn candidate(&self, fastest: u32) -> Candidate {
        let share = match self.node.condition.health {
            NodeHealth::Up | NodeHealth::Ejected { .. } => 1000,
            NodeHealth::Ramping { shown, .. } => Tuning::ramp_share(shown),
        };
        let latency = self.node.probe.latency.map_or(1, millis);
        let served = fastest.saturating_mul(self.node.condition.slowness);
        let latency = latency.max(served);
        let capacity = u64::from(self.weight) * u64::from(share) * SCALE / u64::from(latency);
        Candidate {
            index: self.index,
            capacity: capacity.max(1),
        }
    }
}

/// The readers that are not avoided, unless all are; of these, those inside the window over the fastest. One whose
/// latency is not known yet is outside, unless nobody's is known: at the start all are used.
fn group<'s>(readers: impl Iterator<Item = ReadCandidate<'s>> + Clone, window: Duration) -> Group {
    let some_free = readers.clone().any(|reader| !reader.avoided());
    let usable = readers.filter(|reader| !(some_free && reader.avoided()));
    let fastest = usable
        .clone()
        .filter_map(|reader| reader.node.probe.latency)
        .min();
    let inside = usable.filter(|reader| match (reader.node.probe.latency, fastest) {
        (Some(latency), Some(fastest)) => latency <= fastest + window,
        (None, Some(_)) => false,
        (_, None) => true,
    });
    let fastest = fastest.map_or(1, millis);
    Group::new(inside.map(|reader| reader.candidate(fastest)).collect())
}
