//! What is known of every node, as plain data, and the pure transitions over it.
//!
//! Nothing here reads a clock, draws from a global source of randomness, or does I/O: time comes in as a [`Moment`],
//! randomness as a generator, news as an [`Event`]; what is to be done comes out as [`Effect`]s. One task owns the
//! [`State`] and is the only one that changes it; everyone else reads the [`View`] that it publishes.
//!
//! The order of calls, for that task:
//!
//! 1. [`State::start`] with the configured nodes. Its effects ask for one probe of every node.
//! 2. Run those probes and feed [`Event::ProbeOk`] or [`Event::ProbeFailed`]; then [`State::start_problem`] (T14).
//! 3. [`View::new`], paired with the nodes' pools by [`View::nodes`]' order, is the first snapshot.
//! 4. For ever: wait for an event, or for [`State::next_tick`] and then feed [`Event::Tick`]; call
//!    [`reduce`](reduce::reduce); carry out the effects **in their order**. At [`Effect::Publish`] build and swap the
//!    snapshot. A probe that was asked for must end in one of the two events, whatever happens to it.
//!
//! Whoever takes a connection keeps the node's id and generation as they stood in the snapshot, and reports failures
//! with them: news of an older generation changes nothing (T10).

mod catalog;
mod checks;
mod crash;
mod effect;
mod eligible;
mod health;
mod lag;
mod members;
mod pools;
mod primaryship;
mod probe;
pub(crate) mod reduce;
mod roster;
mod start;
mod tuning;
mod view;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::vocabulary::{FenceReason, Ineligible, NodeId, Role};

pub(crate) use catalog::{CatalogNews, CatalogSchedule, Reading};
pub(crate) use crash::{Fate, Outage, Ran, Spares, TextHash};
pub(crate) use effect::{Changes, Effect, Event, Notice, Outbox, ProbeFacts};
pub(crate) use pools::PoolNews;
pub(crate) use primaryship::Primaryship;
pub(crate) use start::StartProblem;
pub(crate) use tuning::Tuning;
pub(crate) use view::{Candidate, Group, View, ViewNode};

/// A point in time: how long after the cluster's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Duration);

impl Moment {
    /// A moment so much later.
    #[must_use]
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long ago the other one was; zero if it was not.
    #[must_use]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Something that only the server can tell.
///
/// "Nobody asked" and "asked, and it could not tell" are different: what was never checked excludes no node, what was
/// checked and is not known does (R1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact<T> {
    #[default]
    NotChecked,
    Unknown,
    Known(T),
}

impl<T: Copy> Fact<T> {
    /// What is known.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotChecked | Self::Unknown => None,
        }
    }
}

/// A node as its owner wants it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NodeSpec {
    /// The label in metrics, logs and errors.
    pub(crate) name: Arc<str>,
    /// `Primary` or `Replica`.
    pub(crate) role: Role,
    /// The node's share of reads; 0 takes none.
    pub(crate) weight: u32,
    pub(crate) zone: Option<Arc<str>>,
    /// Which database server this is, in a normal form and without a password: the same text is the same node.
    pub(crate) endpoint: Arc<str>,
    /// A fingerprint of everything else that a connection depends on, the password and the pool's options included.
    pub(crate) settings: u64,
}

impl fmt::Debug for NodeSpec {
    // The endpoint is left out: an address is nobody's business in a log, and a careless caller's may hold more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSpec")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("weight", &self.weight)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

impl NodeSpec {
    /// Whether the other's connections may serve for this one: only label, weight and zone may differ.
    #[must_use]
    pub(crate) fn same_pool(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
            && self.role == other.role
            && self.settings == other.settings
    }
}

/// Where a node stands in the list of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// Being warmed for a replacement: in no view yet.
    Joining { ready: bool },
    /// In the list.
    Member,
    /// In the list, and taking nothing new, at somebody's word.
    Drained,
    /// No longer in the list; closed when idle, at the latest at `until`.
    Leaving { until: Moment },
}

/// Whether statements may be sent there (R8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Full weight. Also a node that was never looked at: at the start nothing speaks against it.
    Up,
    /// Re-admitted, its caches cold: its weight grows step by step. `relapses`: how often it was ejected without having
    /// stayed up.
    Ramping {
        since: Moment,
        shown: u32,
        relapses: u32,
    },
    /// Found dead: takes nothing until a probe begun later succeeds.
    Ejected {
        since: Moment,
        /// Failures in a row, the first of which ejected it.
        failures: u32,
        relapses: u32,
        /// Connections of the present generation broke as well, so another is due at re-admission.
        dirty: bool,
        /// Two probes in a row had no answer, or the latest one since had none.
        silent: bool,
        /// What was in flight there has been ended.
        cut: bool,
    },
}

/// A doubt that the next probe settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspicion {
    pub(crate) since: Moment,
    /// Avoided even if that leaves no replica. A soft one only gives way to other replicas.
    pub(crate) hard: bool,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    pub(crate) id: NodeId,
    pub(crate) spec: NodeSpec,
    /// As observed: the configured role, or `Fenced`.
    pub(crate) role: Role,
    pub(crate) fence: Option<FenceReason>,
    /// The fence that was told.
    pub(crate) fence_told: Option<FenceReason>,
    /// The monitor's logins were refused when they were tried last.
    pub(crate) rejected: bool,
    pub(crate) stand: Membership,
    pub(crate) health: Health,
    pub(crate) suspicion: Option<Suspicion>,
    /// Short of connections, but alive: other replicas first.
    pub(crate) saturated_until: Option<Moment>,
    /// When a session was last ended by command while the server was well.
    pub(crate) strike: Option<Moment>,
    /// Counts the pools this node has had. What a connection of an older one reports is ignored.
    pub(crate) generation: u64,
    /// Round trip of the probes, smoothed; none until one has succeeded.
    pub(crate) latency: Option<Duration>,
    /// A probe has succeeded at least once.
    pub(crate) seen: bool,
    pub(crate) in_recovery: Fact<bool>,
    pub(crate) identity: Fact<u64>,
    pub(crate) epoch: Fact<u64>,
    pub(crate) lag: Fact<Duration>,
    pub(crate) receiving: Fact<bool>,
    /// As a standby it refuses every statement, because transactions are serializable by default.
    pub(crate) serializable: bool,
    pub(crate) position: Option<u64>,
    pub(crate) server: Fact<u64>,
    /// When the server was started.
    pub(crate) started: Option<u64>,
    /// The server's address, as it sees it.
    pub(crate) place: Option<u64>,
    /// The epoch in which it claimed to be the primary when an authority named another.
    pub(crate) overruled: Option<u64>,
    /// Since when it has everything that the primary had written by then.
    pub(crate) fresh: Option<Moment>,
    /// The node had replayed more than the primary had written when that was asked later, in this life.
    pub(crate) astray: bool,
    /// Too far behind.
    pub(crate) lagging: bool,
    /// How connections to it ended last.
    pub(crate) outage: Option<Outage>,
    /// A pool of this generation could not be had.
    lacks_pool: bool,
    /// Since when its probes have to connect anew: the connection that they had led to another server.
    strayed: Option<Moment>,
    /// What was told of its place in the rotation last; nothing while nothing was.
    pub(crate) rotation: Option<Option<Ineligible>>,
    /// When the last probe that ended was sent.
    pub(crate) asked: Option<Moment>,
    /// The next probe, or the one that runs.
    pub(crate) probe_at: Option<Moment>,
    /// When the last one ended.
    pub(crate) probed: Option<Moment>,
}

/// A change of the list that waits for new nodes to warm up. The old list serves until then.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) ticket: u64,
    pub(crate) wanted: Vec<(NodeId, NodeSpec)>,
    pub(crate) dropped: Vec<Arc<str>>,
    pub(crate) until: Moment,
}

/// All nodes, and what holds for the cluster as a whole.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) tuning: Tuning,
    pub(crate) nodes: Vec<NodeState>,
    /// Counts what was published.
    pub(crate) version: u64,
    pub(crate) primaryship: Primaryship,
    catalog: CatalogSchedule,
    checks: Vec<checks::Check>,
    next_id: u32,
    pending: Option<Pending>,
    queue: VecDeque<(u64, Vec<NodeSpec>, Vec<Arc<str>>)>,
}

impl NodeState {
    fn new(id: NodeId, spec: NodeSpec, stand: Membership) -> Self {
        Self {
            id,
            role: spec.role,
            spec,
            fence: None,
            fence_told: None,
            rejected: false,
            stand,
            health: Health::Up,
            suspicion: None,
            saturated_until: None,
            strike: None,
            generation: 0,
            latency: None,
            seen: false,
            in_recovery: Fact::NotChecked,
            identity: Fact::NotChecked,
            epoch: Fact::NotChecked,
            lag: Fact::NotChecked,
            receiving: Fact::NotChecked,
            serializable: false,
            position: None,
            server: Fact::NotChecked,
            started: None,
            place: None,
            overruled: None,
            fresh: None,
            astray: false,
            lagging: false,
            outage: None,
            lacks_pool: false,
            strayed: None,
            rotation: None,
            asked: None,
            probe_at: None,
            probed: None,
        }
    }

    /// The node's share of reads as a replica. Where it is configured as the primary its weight has another meaning,
    /// and none is the default there.
    pub(crate) fn weight(&self) -> u32 {
        match self.spec.role {
            Role::Primary => self.spec.weight.max(1),
            Role::Replica | Role::Unknown | Role::Fenced => self.spec.weight,
        }
    }

    /// In the list, drained or not.
    #[must_use]
    pub(crate) const fn is_member(&self) -> bool {
        match self.stand {
            Membership::Member | Membership::Drained => true,
            Membership::Joining { .. } | Membership::Leaving { .. } => false,
        }
    }

    #[must_use]
    pub(crate) const fn is_ejected(&self) -> bool {
        match self.health {
            Health::Ejected { .. } => true,
            Health::Up | Health::Ramping { .. } => false,
        }
    }

    /// Found dead, or in grave doubt: its next probe decides.
    #[must_use]
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_ejected() || self.suspicion.is_some_and(|doubt| doubt.hard)
    }
}

impl State {
    /// The node, unless it was removed.
    #[must_use]
    pub(crate) fn node(&self, id: NodeId) -> Option<&NodeState> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The node in the list that takes writes; while there is none, the one that is configured to.
    #[must_use]
    pub(crate) fn primary(&self) -> Option<&NodeState> {
        let reigns = self.primaryship.primary.and_then(|id| self.node(id));
        reigns.or_else(|| {
            let mut members = self.members();
            members.find(|node| node.spec.role == Role::Primary)
        })
    }

    /// The nodes in the list.
    pub(crate) fn members(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.iter().filter(|node| node.is_member())
    }
}
