//! One node, as plain data: what its owner wants, what its server said, and how it stands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::stalls::Standstill;
use super::writers::SaidRole;
use super::{Fact, Guess, Moment, Outage, Standing, WalReceiver, Writers};
use crate::vocabulary::{FenceReason, Ineligible, NodeId, Role, SystemFacts};

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
    /// What the node is meant for.
    pub(crate) tags: Arc<[Arc<str>]>,
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
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

impl NodeSpec {
    /// Whether the other's connections may serve for this one: only label, weight, zone and tags may differ.
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
pub(crate) enum NodeHealth {
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

/// A suspicion that the next probe settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspicion {
    pub(crate) since: Moment,
    /// How much of the time since then this process had no time to look.
    pub(crate) held_up: Duration,
    /// Avoided even if that leaves no replica. A soft one only gives way to other replicas.
    pub(crate) grave: bool,
}

/// How connections to a node fare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) health: NodeHealth,
    pub(crate) suspicion: Option<Suspicion>,
    /// Short of connections, but alive: other replicas first.
    pub(crate) saturated_until: Option<Moment>,
    /// How many times as long as on the fastest replica of its kind statements take, as far as is known.
    pub(crate) slowness: u32,
    /// When a session was last ended by command while the server was well.
    pub(crate) strike: Option<Moment>,
    /// How connections to it ended last.
    pub(crate) outage: Option<Outage>,
    /// The monitor's logins were refused when they were tried last.
    pub(crate) rejected: bool,
    /// A pool of this generation could not be had.
    pub(super) lacks_pool: bool,
    /// Since when nothing has ended on it; nothing before the first look.
    pub(super) standstill: Option<Standstill>,
}

/// What the server said of itself last.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFacts {
    pub(crate) in_recovery: Fact<bool>,
    /// By what it is guessed that it was promoted.
    pub(crate) guess: Option<Guess>,
    /// What a server says of its role where it has no state of recovery.
    pub(crate) standing: Option<Standing>,
    /// Whose transactions it has, where no timeline tells that.
    pub(crate) writers: Option<Arc<Writers>>,
    /// Which cluster the server belongs to.
    pub(crate) identity: Fact<u64>,
    /// The primaryship that the server shows or follows.
    pub(crate) epoch: Fact<u64>,
    pub(crate) receiver: Fact<WalReceiver>,
    /// What the server says of its system.
    pub(crate) system: SystemFacts,
    /// As a standby it refuses every statement, because transactions are serializable by default.
    pub(crate) serializable: bool,
    /// How far the server has written, or replayed.
    pub(crate) position: Option<u64>,
    /// The server's address and start time, as one number.
    pub(crate) server: Fact<u64>,
    /// When the server was started.
    pub(crate) started: Option<u64>,
    /// The server's address, as it sees it.
    pub(crate) address: Option<u64>,
}

/// How the node is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProbeTimes {
    /// The next probe, or the one that runs.
    pub(crate) due: Option<Moment>,
    /// When the last probe that ended was sent.
    pub(crate) asked: Option<Moment>,
    /// When the last one ended.
    pub(crate) ended: Option<Moment>,
    /// When the last probe was sent that was answered.
    pub(crate) answered: Option<Moment>,
    /// When the last one ended that was answered, or refused.
    pub(crate) heard: Option<Moment>,
    /// A probe has succeeded at least once.
    pub(crate) seen: bool,
    /// Round trip of the probes, smoothed; none until one has succeeded.
    pub(crate) latency: Option<Duration>,
    /// Since when probes have to connect anew: the connection that they had led to another server.
    pub(super) strayed: Option<Moment>,
}

/// How far behind the node is as a replica.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replay {
    /// Since when it has everything that the primary had written by then.
    pub(crate) current_at: Option<Moment>,
    /// The node had replayed more than the primary had written when that was asked later, in this incarnation.
    pub(crate) astray: bool,
    /// The epoch in which the primary, asked later, had written no less than the node had replayed, in this incarnation.
    pub(crate) followed: Option<u64>,
    /// A position beyond all that the primary has told, and when the node told it first: it may be of another history, until the
    /// primary is asked after that.
    pub(crate) unjudged: Option<(u64, Moment)>,
    /// Too far behind.
    pub(crate) lagging: bool,
    /// Several servers answer under the node's name: it is as far as the one of them that is furthest.
    pub(crate) several: bool,
    /// Of those, the one that answered last: since when it has everything.
    pub(crate) last_current_at: Option<Moment>,
}

/// Why the node is not used although it answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fencing {
    pub(crate) cause: Option<FenceReason>,
    /// The fence that was announced, to the log and as an event.
    pub(crate) announced: Option<FenceReason>,
    /// The epoch in which it claimed to be the primary when an authority named another.
    pub(crate) overruled: Option<u64>,
    /// The last epoch in which the node took the writes of this process.
    pub(crate) reigned: Option<u64>,
    /// As the primary its name led to a standby as well.
    pub(crate) strays: bool,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct NodeState {
    pub(crate) id: NodeId,
    pub(crate) spec: NodeSpec,
    /// As observed: the configured role, or `Fenced`.
    pub(crate) role: Role,
    pub(crate) stand: Membership,
    /// Counts the pools this node has had. What a connection of an older one reports is ignored.
    pub(crate) generation: u64,
    pub(crate) condition: Condition,
    pub(crate) said: ServerFacts,
    pub(crate) probe: ProbeTimes,
    pub(crate) replay: Replay,
    pub(crate) fencing: Fencing,
    /// What the server at this address was by its own word, where it has no state of recovery; kept while the cluster sleeps,
    /// and for the node that takes the place of this one in a new list.
    pub(crate) remembered: Option<(SaidRole, u64)>,
    /// What was told of its place in the rotation last; nothing while nothing was.
    pub(crate) rotation: Option<Option<Ineligible>>,
}

impl NodeState {
    pub(super) fn new(id: NodeId, spec: NodeSpec, stand: Membership) -> Self {
        Self {
            id,
            role: spec.role,
            spec,
            stand,
            generation: 0,
            condition: Condition {
                health: NodeHealth::Up,
                suspicion: None,
                saturated_until: None,
                slowness: 1,
                strike: None,
                outage: None,
                rejected: false,
                lacks_pool: false,
                standstill: None,
            },
            said: ServerFacts::default(),
            probe: ProbeTimes::default(),
            replay: Replay::default(),
            fencing: Fencing::default(),
            remembered: None,
            rotation: None,
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
        match self.condition.health {
            NodeHealth::Ejected { .. } => true,
            NodeHealth::Up | NodeHealth::Ramping { .. } => false,
        }
    }

    /// Found dead, or under grave suspicion: its next probe decides.
    #[must_use]
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_ejected()
            || self
                .condition
                .suspicion
                .is_some_and(|suspicion| suspicion.grave)
    }
}
