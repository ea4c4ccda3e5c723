//! What every handle to a cluster shares: the snapshot that decisions read, and the inbox of the one task that
//! replaces it.
//!
//! One `ArcSwap`, atomics for counters, and no lock on the statement path. The worker holds only a weak reference to
//! this, so the last handle's drop ends it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use sea_orm::DbBackend;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot, watch},
};

use crate::{
    causality::{Clock, Current, OpenWrite, ReadRequirement, gate::Writing, losses::Losses},
    config::{Config, Discovery},
    intent::Classifier,
    metrics::{ClusterMetrics, NodeCounter, Publisher},
    node::{Lease, Line, Node},
    route::budget::{Budget, Rates},
    signal::Signal,
    snapshot::Snapshot,
    state::{Event, Moment, Ran},
    vocabulary::{NodeId, Role, Stage},
};

use super::{
    catalog::Readings, concrete::Concrete, events::Outlet, name::ClusterName,
    sampling_demand::Demand, worker::Message,
};

/// How long reads are not asked for in vain behind a name with several servers, where nothing else was said (rule C6).
const PIN: Duration = Duration::from_secs(2);

/// The parts of the configuration that statements read.
#[derive(Debug)]
pub(crate) struct StatementSettings {
    pub(crate) route_timeout: Duration,
    /// How long reads of a session keep to the primary after a write where only time protects. Zero where reads are
    /// always fresh (SQLite) and where it is switched off.
    pub(crate) pin: Duration,
    /// The operator's word that no replica is further behind. Without that, time proves nothing.
    pub(crate) trusts_pin: bool,
}

/// One cluster, behind all of its handles.
pub(crate) struct Shared {
    pub(crate) backend: DbBackend,
    pub(crate) settings: StatementSettings,
    pub(crate) config: Config,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Tells waiters that a snapshot with a greater number was published.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) classifier: Classifier,
    /// Tells waiters that the catalog was read.
    pub(crate) learned: watch::Sender<()>,
    /// How the next reading of the catalog stands.
    pub(crate) readings: Readings,
    pub(crate) clock: Arc<Clock>,
    /// The last word of an authority on the epoch that this handle heard.
    pub(super) word: AtomicU64,
    /// Writes of this handle that were lost from sight.
    pub(crate) losses: Arc<Losses>,
    /// The primary says how far it has written; else only the time pin is left (rule C14).
    pub(crate) positions: AtomicBool,
    pub(crate) demand: Arc<Demand>,
    pub(crate) concrete: Concrete,
    pub(crate) metrics: ClusterMetrics,
    pub(crate) events: Outlet,
    pub(crate) publisher: Arc<Publisher>,
    /// What the cluster is called; held so that nobody else is.
    _name: ClusterName,
    /// What log lines about the cluster stand in, also those that a statement's task writes.
    pub(crate) span: tracing::Span,
    /// The runtime in which it was connected, if there was one.
    pub(crate) runtime: Option<Handle>,
    /// A server with a catalog is behind it.
    pub(crate) reads_catalog: bool,
    /// When the cluster began: moments of the reducer count from here.
    pub(crate) origin: Instant,
    pub(super) inbox: mpsc::UnboundedSender<Message>,
    /// The retry budget, as one word.
    pub(super) budget: AtomicU64,
    pub(super) rates: Rates,
    /// The places of the primary that reads may have for want of a replica (rule R7).
    pub(crate) share: Line,
    pub(super) waiting: AtomicU32,
    /// The application closed it.
    closed: AtomicBool,
    /// The warning that nobody looks after it was given.
    warned: AtomicBool,
}

/// What a new cluster starts from.
pub(super) struct Parts {
    pub(super) backend: DbBackend,
    pub(super) config: Config,
    pub(super) snapshot: Snapshot,
    pub(super) classifier: Classifier,
    pub(super) clock: Arc<Clock>,
    pub(super) positions: bool,
    pub(super) inbox: mpsc::UnboundedSender<Message>,
    pub(super) reads_catalog: bool,
    pub(super) name: ClusterName,
}

impl Shared {
    pub(super) fn new(parts: Parts, runtime: Option<Handle>, origin: Instant) -> Self {
        let Parts {
            backend,
            config,
            snapshot,
            classifier,
            clock,
            positions,
            inbox,
            reads_catalog,
            name,
        } = parts;
        let settings = StatementSettings {
            route_timeout: config.route_timeout,
            pin: if backend == DbBackend::Sqlite {
                Duration::ZERO
            } else {
                config.pin.unwrap_or(PIN)
            },
            trusts_pin: backend == DbBackend::Sqlite || config.pin.is_some(),
        };
        let share = usize::try_from(config.diversion_limit.max(1)).unwrap_or(1);
        let share = Line::Share(Arc::new(Semaphore::new(share)));
        let rates = Rates {
            per_second: config.retries_per_second,
            percent: config.retry_percent,
        };
        Self {
            backend,
            settings,
            config,
            changed: watch::Sender::new(snapshot.view.version),
            snapshot: ArcSwap::from_pointee(snapshot),
            classifier,
            learned: watch::Sender::new(()),
            readings: Readings::default(),
            word: AtomicU64::new(clock.word()),
            clock,
            losses: Arc::default(),
            positions: AtomicBool::new(positions),
            demand: Arc::default(),
            concrete: Concrete::default(),
            metrics: ClusterMetrics::default(),
            events: Outlet::default(),
            publisher: Arc::new(Publisher::new(name.as_str())),
            span: name.span(),
            _name: name,
            runtime,
            reads_catalog,
            origin,
            inbox,
            budget: AtomicU64::new(Budget::new(Moment::default(), rates).to_bits()),
            rates,
            share,
            waiting: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        }
    }

    /// A write of this session returned, whichever way.
    pub(crate) fn wrote(&self, current: &Current) {
        if self.backend != DbBackend::Sqlite {
            current.wrote(&self.clock, self.settings.pin);
        }
    }

    /// Whether something is being done through a connection of a `concrete()`, of this handle or of another one to the
    /// cluster, that a replica may lack and this session has to see.
    #[inline]
    pub(crate) fn has_unseen(&self, current: &Current) -> bool {
        self.clock.has_handed_out()
            && current.may_use_concrete()
            && self.clock.is_in_use(self.has_replicas())
    }

    /// A write of this session is under way until this is dropped.
    pub(crate) fn open_write(&self, current: &Current, writing: Writing) -> OpenWrite {
        let tracked = self.backend != DbBackend::Sqlite;
        OpenWrite::new(
            &self.clock,
            &self.losses,
            writing,
            current,
            tracked.then_some(self.settings.pin),
        )
    }

    /// What a read of this session that arrives now needs of the node that serves it.
    #[inline]
    pub(crate) fn need(&self, current: &Current) -> ReadRequirement {
        if self.has_unseen(current) {
            if !self.positions.load(Ordering::Acquire) {
                return ReadRequirement::Primary;
            }
            self.clock.concrete_is_out();
        }
        self.need_of_seen(current)
    }

    /// What a read of this session needs, without what is done out of our sight.
    pub(crate) fn need_of_seen(&self, current: &Current) -> ReadRequirement {
        match self.positions.load(Ordering::Acquire) {
            true => {
                self.clock.reads();
                current.need(&self.clock)
            }
            // What has not returned has no pin yet.
            false if self.has_open_writes(current) => ReadRequirement::Primary,
            // A pin that is over says nothing of a replica that is further behind, and nobody can tell how far it is.
            false if !self.settings.trusts_pin && current.written(&self.clock) > 0 => {
                ReadRequirement::Primary
            }
            false => current.pinned_need(&self.clock),
        }
    }

    /// Whether this session has writes that have not returned although nobody waits for them, and whether it has some
    /// whose connections are gone.
    pub(crate) fn open_writes(&self, current: &Current) -> (bool, bool) {
        // Where there are positions, what is committed there is covered like what has returned.
        let concrete = !self.positions.load(Ordering::Acquire) && self.has_unseen(current);
        let (waits, lost) = current.open_writes(&self.clock);
        (waits || concrete, lost)
    }

    /// Whether this session has either.
    pub(crate) fn has_open_writes(&self, current: &Current) -> bool {
        let (waits, lost) = self.open_writes(current);
        waits || lost
    }

    /// Whether this node's connections can say how far its server has replayed.
    pub(crate) fn gives_position(&self, node: &Node) -> bool {
        node.direct.is_some() && self.positions.load(Ordering::Acquire)
    }

    /// Tells the topology what was heard of a node, when it says something of the node, and what ran there.
    pub(crate) fn report(&self, lease: &Lease, stage: Stage, signal: Signal, ran: Ran) {
        if signal.concerns_node() {
            if signal != Signal::ReadOnly {
                lease.metrics().count(NodeCounter::ConnectionError);
            }
            let (node, generation) = (lease.node().id, lease.node().generation);
            // Where nobody can ask whether a server crashed, nothing is suspected of it.
            let can_ask = self.backend == DbBackend::Postgres && lease.node().direct.is_some();
            let ran = if can_ask { ran } else { Ran::Nothing };
            self.tell(Message::News(Event::Failed {
                node,
                generation,
                stage,
                signal,
                ran,
            }));
        }
    }

    /// Waits until this node was asked what it is, and the picture shows the answer.
    pub(crate) async fn check(&self, node: NodeId) {
        let (answer, answered) = oneshot::channel();
        self.tell(Message::Check(node, answer));
        // Without an answer the picture is what it is.
        let _ = tokio::time::timeout(self.config.check_timeout, answered).await;
    }

    /// Hands a message to the worker, if it is still there.
    pub(crate) fn tell(&self, message: Message) {
        if self.inbox.send(message).is_err() {
            self.warn_if_orphaned();
        }
    }

    /// Whether the worker is gone with its runtime while handles live on (a static handle shared by several
    /// `#[tokio::test]`s): then statements go on with the last snapshot, and one warning says so. Connections that were
    /// made in that runtime are dead.
    pub(crate) fn warn_if_orphaned(&self) -> bool {
        let orphaned = self.inbox.is_closed() && self.runtime.is_some() && !self.is_closed();
        if orphaned && !self.warned.swap(true, Ordering::Relaxed) {
            let _span = self.span.enter();
            tracing::warn!(
                "the runtime in which this cluster was connected is gone: statements go on with the last known \
                 topology, each on a connection of its own, and nothing looks after it; connect inside the runtime that uses the handle"
            );
        }
        orphaned
    }

    /// Whether the application closed it, or a pool that it was given: there will be no other pool.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.concrete.was_closed()
    }

    pub(super) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever keeps a connection of its own wakes, and gives it up.
        self.changed.send_modify(|_| {});
    }

    /// The primary's pool as the newest snapshot has it.
    pub(crate) fn primary_node(&self) -> Option<Arc<Node>> {
        Some(Arc::clone(&self.snapshot.load().primary()?.node))
    }

    /// What the primary is called, in errors. Where none is known there is no name: a stand-in reads like a server's.
    pub(crate) fn primary_name(&self) -> Option<String> {
        self.primary_node().map(|node| node.name.to_string())
    }

    /// What the replicas are called, in errors.
    pub(crate) fn replica_names(&self) -> Vec<String> {
        let snapshot = self.snapshot.load();
        let nodes = snapshot.view.nodes().iter();
        let replicas = nodes.filter(|node| node.role == Role::Replica);
        replicas.map(|node| node.name.to_string()).collect()
    }

    /// Whether there is somewhere else than the primary to go.
    pub(crate) fn has_replicas(&self) -> bool {
        self.snapshot.load().view.splits
    }

    /// Whether there may be replicas to read from, now or when they are found.
    pub(crate) fn may_split(&self) -> bool {
        self.snapshot.load().view.nodes().len() > 1 || self.config.discovery != Discovery::Static
    }

    /// Whether a node was found dead.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_ejected(&self, id: NodeId) -> bool {
        let snapshot = self.snapshot.load();
        let node = snapshot.view.nodes().iter().find(|node| node.id == id);
        node.is_some_and(|node| node.ejected)
    }

    /// Every node and its state, in words.
    pub(crate) fn describe(&self) -> String {
        self.snapshot.load().describe()
    }
}
