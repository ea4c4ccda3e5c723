//! What comes into the reducer: news, as plain data, and never a wish to touch the state.

use std::sync::Arc;
use std::time::Duration;

use super::outage::Ran;
use super::{
    Fact, Guess, Moment, NodeProgress, NodeSpec, ServedReport, Standing, WalReceiver, Withheld,
    Writers,
};
use crate::causality::Word;
use crate::signal::Signal;
use crate::vocabulary::{NodeId, Role, Stage, SystemFacts};

/// News.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Something failed on a connection of this generation.
    Failed {
        node: NodeId,
        generation: u64,
        stage: Stage,
        signal: Signal,
        /// What was running there.
        ran: Ran,
    },
    /// A probe succeeded. `begun`: when it was sent; it proves nothing about suspicions that are younger.
    ProbeOk {
        node: NodeId,
        begun: Moment,
        rtt: Duration,
        facts: ProbeFacts,
    },
    /// A probe failed.
    ProbeFailed {
        node: NodeId,
        begun: Moment,
        signal: Signal,
    },
    /// The time that [`State::next_tick`](super::State::next_tick) named has come. Harmless at any other time.
    Tick,
    /// Take nothing new there.
    Drain { node: NodeId },
    /// Take it back.
    Resume { node: NodeId },
    /// The list of nodes is this one now. The ticket comes back with the answer.
    Replace { ticket: u64, nodes: Vec<NodeSpec> },
    /// A new node gave its first connection.
    Warmed { node: NodeId },
    /// A new node did not give its first connection.
    WarmFailed { node: NodeId, signal: Signal },
    /// Nothing is in flight on a drained or leaving node.
    DrainedOut { node: NodeId },
    /// Statements wait for a node, or none does any more.
    Waiters(bool),
    /// What has begun and ended on each node by the time that [`State::next_look`](super::State::next_look) named (T6).
    Progress(Vec<NodeProgress>),
    /// What each node has answered since the last report (R3).
    Served(Vec<ServedReport>),
    /// Somebody knows that there is something to know: ask every node what it is.
    AskAll,
    /// Somebody outside knows so: those that were found dead are asked as well.
    Refresh,
    /// A connection to this node led to a primary of this cluster in this epoch, which is greater than any that was seen.
    Ahead { node: NodeId, epoch: u64 },
    /// A connection to this node led to a standby at another address than the primary's that it is: its name has several servers.
    Strays { node: NodeId },
    /// Nobody has wanted anything of the cluster for long.
    Sleep,
    /// Somebody does again, and every node was asked what it is: the ends of those probes.
    Woken(Vec<Event>),
    /// Somebody waits until this node was asked what it is. The ticket comes back with the answer.
    Check { ticket: u64, node: NodeId },
    /// A pool of this generation that took its time was opened, or could not be.
    Pool {
        node: NodeId,
        generation: u64,
        news: PoolNews,
    },
    /// News of the server's catalog.
    Catalog(CatalogNews),
    /// The node's name leads to another server than before: its pools and what was asked of it are of that one (C4).
    Moved { node: NodeId },
    /// An authority says that this node is the primary (T3, T4).
    Promoted { node: NodeId },
    /// An authority says that this node is to be taken for it, whatever was seen (T3).
    Accept { node: NodeId },
    /// An authority has said so to some handle of this process, and positions have begun anew with that. `heard`: the
    /// number of the word that holds for this handle.
    Told { word: Word, heard: u64 },
}

/// What a probe learned besides the round trip. What it did not ask for stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProbeFacts {
    pub(crate) in_recovery: Fact<bool>,
    /// What a server says of its role where it has no state of recovery.
    pub(crate) standing: Option<Standing>,
    /// By what it is guessed that it was promoted.
    pub(crate) guess: Option<Guess>,
    /// Whose transactions it has, where no timeline tells that.
    pub(crate) writers: Option<Arc<Writers>>,
    pub(crate) identity: Fact<u64>,
    pub(crate) epoch: Fact<u64>,
    /// Where that is not told: the newest one of which a standby has surely replayed something. It may be on a newer one.
    pub(crate) reached: Option<u64>,
    /// What the server says of its system.
    pub(crate) system: SystemFacts,
    /// Transactions of the role are serializable by default.
    pub(crate) serializable: bool,
    pub(crate) receiver: Fact<WalReceiver>,
    /// What the server does not tell for want of a right of the role.
    pub(crate) withheld: Option<Withheld>,
    /// How far it has written, or replayed.
    pub(crate) position: Option<u64>,
    /// Of how many transactions it knows, where all of them have ended.
    pub(crate) ended: Option<u64>,
    /// The server's address and start time, as one number.
    pub(crate) server: Fact<u64>,
    /// When the server was started, and where it is.
    pub(crate) started: Option<u64>,
    pub(crate) address: Option<u64>,
    /// Connections to the node lead to another server than this one.
    pub(crate) moved: bool,
    /// Several servers answer under the node's name.
    pub(crate) several: bool,
    /// Of these, how far the one has replayed that is furthest, by what connections to them were told lately.
    pub(crate) furthest: Option<u64>,
}

/// The end of a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeEnd {
    pub(super) node: NodeId,
    pub(super) begun: Moment,
    pub(super) answered: bool,
    pub(super) moved: bool,
}

impl Event {
    /// The ends of the probes that it tells of.
    pub(super) fn probe_ends(&self) -> Vec<ProbeEnd> {
        match self {
            Self::Woken(answers) => answers.iter().filter_map(Self::probe_end).collect(),
            one => one.probe_end().into_iter().collect(),
        }
    }

    /// The end of a probe that it tells of.
    fn probe_end(&self) -> Option<ProbeEnd> {
        match self {
            Self::ProbeOk {
                node, begun, facts, ..
            } => Some(ProbeEnd {
                node: *node,
                begun: *begun,
                answered: true,
                moved: facts.moved,
            }),
            Self::ProbeFailed { node, begun, .. } => Some(ProbeEnd {
                node: *node,
                begun: *begun,
                answered: false,
                moved: false,
            }),
            _ => None,
        }
    }
}

/// News of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatalogNews {
    /// There is a server with a catalog, which the start has read already or not.
    Exists { read: bool },
    /// There was DDL of our own: the next reading begins as soon as it may.
    Changed,
    /// Another reading may tell something that somebody asked for.
    Wished,
    /// A reading from a node of this role has ended.
    Read(Role, Reading),
}

/// What a reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The reading failed.
    Failed,
    /// Nothing that was not known, or it was not believed.
    Known,
    /// Something that was not known.
    New,
}

/// What became of a pool that took its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolNews {
    /// The pool stands in its place.
    Opened,
    /// The pool could not be had.
    Missing,
}
