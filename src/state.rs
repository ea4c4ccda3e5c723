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
//! 4. For ever: wait for an event, for [`State::next_tick`] and then feed [`Event::Tick`], or for [`State::next_look`] and
//!    then feed [`Event::Progress`]; call [`reduce`](reduce::reduce); carry out the effects **in their order**. At
//!    [`Effect::Publish`] build and swap the snapshot. A probe that was asked for must end in one of the two events,
//!    whatever happens to it.
//!
//! Whoever takes a connection keeps the node's id and generation as they stood in the snapshot, and reports failures
//! with them: news of an older generation changes nothing (T10).

mod backoff;
mod catalog;
mod checks;
mod crash;
mod diverged;
mod effect;
mod eligible;
mod event;
mod everywhere;
mod facts;
mod groups;
mod health;
mod lag;
mod members;
mod node;
mod observe;
mod outage;
mod pace;
mod pools;
mod primaryship;
mod probe;
pub(crate) mod reduce;
mod roster;
mod silence;
mod sleep;
mod stalls;
mod start;
mod step;
mod tuning;
mod view;
mod writers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::causality::Word;
use crate::vocabulary::{Flavour, NodeId, Role};

pub(crate) use catalog::CatalogSchedule;
pub(crate) use crash::{Fate, Spares};
pub(crate) use effect::{Changes, Effect, Notice, Outbox};
pub(crate) use event::{CatalogNews, Event, PoolNews, ProbeFacts, Reading};
pub(crate) use facts::{Fact, WalReceiver, Withheld};
pub(crate) use groups::{Candidate, Group, GroupOrder, Preference};
pub(crate) use node::{Membership, NodeHealth, NodeSpec, NodeState, Suspicion};
pub(crate) use outage::{Outage, Ran, TextHash};
pub(crate) use pace::ServedReport;
pub(crate) use primaryship::Primaryship;
pub(crate) use stalls::NodeProgress;
pub(crate) use start::StartProblem;
pub(crate) use tuning::{Ejection, FailoverRules, Tuning};
pub(crate) use view::{View, ViewNode};
pub(crate) use writers::{Guess, Standing, Writers};

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

/// A change of the list that waits for new nodes to warm up. The old list serves until then.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) ticket: u64,
    pub(crate) nodes: Vec<(NodeId, NodeSpec)>,
    pub(crate) dropped: Vec<Arc<str>>,
    pub(crate) until: Moment,
}

/// Whether an idle cluster sleeps (T17).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sleeping {
    /// Nobody is asked anything.
    pub(crate) asleep: bool,
    /// When the cluster woke last.
    woke: Option<Moment>,
}

/// All nodes, and what holds for the cluster as a whole.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) tuning: Tuning,
    pub(crate) nodes: Vec<NodeState>,
    /// Counts what was published.
    pub(crate) version: u64,
    pub(crate) primaryship: Primaryship,
    /// Which system the servers are, once one of them has said it that counts for all.
    flavour: Option<Flavour>,
    /// The word of an authority to another handle, until its server is found here.
    pending_word: Option<Word>,
    /// The primary's positions.
    history: lag::History,
    catalog: CatalogSchedule,
    checks: Vec<checks::Check>,
    /// When the counters are to be looked at again.
    look_at: Moment,
    pub(crate) sleeping: Sleeping,
    next_id: u32,
    pending: Option<Pending>,
    queue: VecDeque<(u64, Vec<NodeSpec>, Vec<Arc<str>>)>,
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

    /// The node that the list calls the primary.
    pub(crate) fn configured(&self) -> Option<NodeId> {
        let mut members = self.members();
        let named = members.find(|node| node.spec.role == Role::Primary);
        named.map(|node| node.id)
    }

    /// The nodes in the list.
    pub(crate) fn members(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.iter().filter(|node| node.is_member())
    }
}
