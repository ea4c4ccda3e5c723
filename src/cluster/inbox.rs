//! The worker's inbox: one channel whose sending halves are types, so that who holds one can only say what is his to say
//! (an actor's mailbox with capabilities, as mongodb splits its channels).
//!
//! Statements report what they met, whoever steers the cluster gives orders, and the worker's own tasks hand in what they
//! were sent for. One queue, because the order among the three counts: what a statement reported before a swap is of the
//! list before it. An enum that everybody may send was rejected: a statement could claim that a probe had ended.

use std::{marker::PhantomData, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::judging::Catalogs;
use super::{nodes::Opened, source::Source};
use crate::{
    backend::MonitorConnection,
    causality::{Replayed, Word},
    error::Error,
    node::NodePool,
    signal::Signal,
    state::{Changes, Event, Ran},
    vocabulary::{NodeId, Role, Stage},
};

/// What the worker is told.
pub(super) enum Message {
    Statement(StatementNews),
    Handle(HandleOrder),
    Task(TaskReport),
    /// What an authority said to any handle of the clock: the clock tells it, and nobody sends it.
    Word(Word),
}

/// What statements and their connections meet.
pub(crate) enum StatementNews {
    /// Something failed on a connection of this generation, on which that ran.
    Failed {
        node: NodeId,
        generation: u64,
        stage: Stage,
        signal: Signal,
        ran: Ran,
    },
    /// A statement waits for a primary.
    Waits,
    /// Ask this node, and say when a probe of it has ended that was sent from now on.
    Check(NodeId, oneshot::Sender<()>),
    /// A server shows more than the picture does: ask everybody.
    AskAll,
    /// A connection of this pool led to a primary of this cluster in this epoch, which is greater than any that was seen.
    Ahead(NodeId, Arc<Replayed>, u64),
    /// A connection of this pool led to a standby, and the node is the primary.
    Strays(NodeId, Arc<Replayed>),
    /// Connections to this node lead to another server than those that this pool has.
    Moved(NodeId, Arc<Replayed>),
    /// The catalog is out of date.
    SchemaChanged,
    /// Some name is not in the catalog, or something ran that may have changed it.
    WishCatalog,
}

/// What whoever steers the cluster wants: the application by its handle, and discovery.
pub(super) enum HandleOrder {
    /// The list of nodes is to be this one.
    Replace(Vec<Source>, oneshot::Sender<Result<Changes, Error>>),
    /// Send nothing new there.
    Drain(NodeId),
    /// Take it back.
    Resume(NodeId),
    /// Ask everybody, those that were found dead as well.
    Refresh,
    /// An authority says that this node is the primary.
    Promoted(NodeId),
    /// An authority says that it is to be taken for it, whatever was seen.
    Accept(NodeId),
    /// An authority says that this node is down, in this generation.
    Down(NodeId, u64),
    /// Export the counters now, and say when that is done.
    ExportMetrics(oneshot::Sender<()>),
    /// Close every pool; statements fail from now on.
    Close(oneshot::Sender<()>),
}

/// What the worker's tasks were sent for.
pub(super) enum TaskReport {
    /// A probe ended, with this event.
    Probed(NodeId, Box<Event>, MonitorConnection),
    /// A cluster that slept is wanted again, and every node was asked what it is.
    Woken(Vec<Answered>),
    /// A new node gave its first connection and answered its first probe.
    Warmed(Box<Warm>),
    /// A new node did not.
    WarmFailed(NodeId, Signal),
    /// A pool that takes the place of another one was opened, or could not be.
    Opened(Opened),
    /// The catalog has been read, from a node of this role.
    CatalogRead(Role, Result<Box<Catalogs>, String>),
    /// Nothing is in flight on this node any more.
    DrainedOut(NodeId),
}

/// What one node answered that was asked for the first time, or again after a sleep.
pub(super) struct Answered {
    pub(super) node: NodeId,
    /// The end of the probe.
    pub(super) event: Event,
    pub(super) wire: MonitorConnection,
}

/// A new node, ready for its first statement.
pub(super) struct Warm {
    pub(super) id: NodeId,
    pub(super) link: Arc<NodePool>,
    pub(super) source: Source,
    /// What the probe said: a server that is no replica must not serve a read before that is known.
    pub(super) probed: Event,
    pub(super) wire: MonitorConnection,
}

impl From<StatementNews> for Message {
    fn from(news: StatementNews) -> Self {
        Self::Statement(news)
    }
}

impl From<HandleOrder> for Message {
    fn from(order: HandleOrder) -> Self {
        Self::Handle(order)
    }
}

/// A sending half for what an `M` may say. The worker lives for as long as there is one.
pub(super) struct Inbox<M>(mpsc::UnboundedSender<Message>, PhantomData<fn(M)>);

/// For statements.
pub(super) type StatementInbox = Inbox<StatementNews>;

/// For whoever steers the cluster.
pub(super) type HandleInbox = Inbox<HandleOrder>;

impl<M: Into<Message>> Inbox<M> {
    /// Says it; whether anybody is there to hear it.
    pub(super) fn send(&self, said: M) -> bool {
        self.0.send(said.into()).is_ok()
    }

    /// Nobody is there any more.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// For the worker's own tasks; weak, or the worker would keep itself alive.
#[derive(Clone)]
pub(super) struct TaskInbox(mpsc::WeakUnboundedSender<Message>);

impl TaskInbox {
    /// Hands it in, if the worker is still there. If not, the cluster is gone, and with it everybody whom it concerns.
    pub(super) fn send(&self, report: TaskReport) {
        if let Some(inbox) = self.0.upgrade() {
            let _ = inbox.send(Message::Task(report));
        }
    }

    /// The last handle is gone.
    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// The receiving half, and the tasks' way to it.
pub(super) struct Mailbox {
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) tasks: TaskInbox,
}

/// A new inbox.
pub(super) fn open() -> (StatementInbox, HandleInbox, Mailbox) {
    let (sender, messages) = mpsc::unbounded_channel();
    let mailbox = Mailbox {
        messages,
        tasks: TaskInbox(sender.downgrade()),
    };
    (
        Inbox(sender.clone(), PhantomData),
        Inbox(sender, PhantomData),
        mailbox,
    )
}
