//! What goes out of the reducer: orders to the task that owns the pools, as plain data, and never a closure.

use std::sync::Arc;
use std::time::Duration;

use super::{Moment, Withheld};
use crate::causality::Named;
use crate::error::causes::NodeListProblem;
use crate::signal::Signal;
use crate::vocabulary::{FenceReason, Ineligible, NodeId, Role};

/// An order, to be carried out in the order given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Probe this node then, on a connection outside its pools. Replaces an order that has not begun; if a probe runs,
    /// the next one begins when that has ended.
    Probe { node: NodeId, at: Moment },
    /// Give the node a new pool under this generation, and close the old one: when its connections have come back,
    /// or, `cut`, at once, ending what runs on them ([`Signal::Cut`]). Nodes without a pool of ours keep what they
    /// have.
    ReplacePool {
        node: NodeId,
        generation: u64,
        cut: bool,
    },
    /// Close all pools and every other connection, and send no probe until the cluster wakes.
    Sleep,
    /// Try again to open the pools of this node that could not be had.
    OpenMissing { node: NodeId },
    /// Open the connections of this node that are to be kept, if some of them are not there.
    Fill { node: NodeId },
    /// Keep a connection ready that may write, on a replica that may become the primary.
    StandBy { node: NodeId },
    /// Read the catalog from this node, which has this role; without a node the reading has failed.
    ReadCatalog { role: Role, node: Option<NodeId> },
    /// A wish for another reading is heard from then on.
    HearWishes { at: Moment },
    /// Who waited for news of a node has them.
    Checked { ticket: u64 },
    /// Make this new node's pool and take one connection, until then; answer with `Warmed` or `WarmFailed`.
    Warm { node: NodeId, until: Moment },
    /// Watch what is in flight there, and answer with `DrainedOut` when there is nothing (again).
    Watch { node: NodeId },
    /// The node is gone and idle: close its pool and forget it.
    ClosePool { node: NodeId },
    /// The node is gone and its time is over: cut what runs there, close its pool and forget it.
    CutAndClose { node: NodeId },
    /// The picture has changed: publish a snapshot.
    Publish,
    /// A replacement is in force; always after the `Publish` that shows it.
    Replaced(Changes),
    /// An authority named a primary of this cluster and epoch, although what was seen speaks against it, and positions
    /// begin anew; always after the `Publish` that shows it, so that nobody asks the one before.
    Accepted(Named),
    /// What another handle was told holds here as well, by the word of this number; always after the `Publish` that shows
    /// it, so that nobody asks the one before.
    Obeyed { number: u64 },
    /// Writes go to another node than before, and its epoch is what positions are held against: ask it for one. Always
    /// after the `Publish` that shows it.
    AskPosition,
    /// A replacement was refused; nothing has changed.
    ReplaceRefused {
        ticket: u64,
        problem: NodeListProblem,
    },
    /// For logs and metrics.
    Notice(Notice),
}

/// What a replacement changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) ticket: u64,
    pub(crate) added: Vec<NodeId>,
    pub(crate) removed: Vec<NodeId>,
    /// Nothing changed.
    pub(crate) kept: Vec<NodeId>,
    /// The pool was kept; name, weight, zone or tags changed.
    pub(crate) changed: Vec<NodeId>,
    /// Replicas that are the primary: left out, with a warning.
    pub(crate) dropped: Vec<Arc<str>>,
}

/// Something worth a line in the log and a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Found dead, by this.
    Ejected {
        node: NodeId,
        cause: Signal,
    },
    /// Answered again, after this long.
    Readmitted {
        node: NodeId,
        after: Duration,
    },
    /// Still silent after `dead_after`: what was in flight there is ended.
    Dead {
        node: NodeId,
    },
    /// The node broke connections without a word, and recovers from a crash.
    Crashed {
        node: NodeId,
    },
    /// Suspected until its next probe.
    Suspected {
        node: NodeId,
        cause: Signal,
    },
    /// Connections to it lead to another server than before.
    Moved {
        node: NodeId,
    },
    /// The node is the primary, and connections to its name lead to standbys too.
    Strays {
        node: NodeId,
    },
    /// The suspicion was unfounded.
    Cleared {
        node: NodeId,
    },
    /// Alive and short of connections.
    Saturated {
        node: NodeId,
    },
    /// Answers the probe by letting nobody in.
    ProbeRejected {
        node: NodeId,
    },
    /// Lets us in again.
    ProbeAdmitted {
        node: NodeId,
    },
    /// A warning: it answers and is not used.
    Fenced {
        node: NodeId,
        cause: FenceReason,
    },
    /// Used again.
    Unfenced {
        node: NodeId,
    },
    /// The replica serves no balanced reads any more.
    LeftRotation {
        node: NodeId,
        why: Ineligible,
    },
    /// The replica serves balanced reads again.
    JoinedRotation {
        node: NodeId,
    },
    /// The node configured as the primary is in recovery.
    PrimaryInRecovery {
        node: NodeId,
    },
    /// Writes go there now. `without`: how long there was none.
    PrimaryIs {
        node: NodeId,
        without: Option<Duration>,
    },
    /// Nobody takes writes now.
    NoPrimary,
    /// One of several that claim one epoch.
    Conflict {
        node: NodeId,
    },
    /// The conflict is over: one primary is left, or was named.
    ConflictOver,
    /// The node held for the primary refused a write (T8).
    PrimaryRefusesWrites {
        node: NodeId,
    },
    /// Nobody wants anything of the cluster: it closed its connections and asks nothing.
    Asleep,
    /// Somebody does again, and every node was asked what it is.
    Awake,
    Draining {
        node: NodeId,
    },
    /// Nothing is in flight there any more.
    Drained {
        node: NodeId,
    },
    Resumed {
        node: NodeId,
    },
    /// The primary cannot be drained, nor a node that is not in the list.
    DrainRefused {
        node: NodeId,
    },
    /// A warning: this replica is the primary, and was left out.
    SameAsPrimary {
        name: Arc<str>,
    },
    Added {
        node: NodeId,
    },
    Removed {
        node: NodeId,
    },
    /// Removed before, back before its pool was closed: the pool was kept.
    Returned {
        node: NodeId,
    },
    /// The role may not be told this by the node: the first of the cluster, or the first that withholds more.
    Withheld {
        node: NodeId,
        what: Withheld,
    },
    /// A removed node's pool was closed.
    Closed {
        node: NodeId,
        cut: bool,
    },
    /// News of an older generation; ignored.
    Stale {
        node: NodeId,
    },
}

/// Collects effects; what must follow the new snapshot is put behind it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    effects: Vec<Effect>,
    answers: Vec<Effect>,
    publish: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.effects.push(Effect::Notice(notice));
    }

    /// An answer to somebody who must find the new snapshot when it comes.
    pub(super) fn answer(&mut self, effect: Effect) {
        self.answers.push(effect);
    }

    pub(super) fn publish(&mut self) {
        self.publish = true;
    }

    /// The effects in their order, and whether a snapshot is published among them.
    pub(super) fn close(mut self) -> (Vec<Effect>, bool) {
        if self.publish {
            self.effects.push(Effect::Publish);
        }
        self.effects.append(&mut self.answers);
        (self.effects, self.publish)
    }
}
