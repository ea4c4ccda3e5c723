//! What every handle to a cluster shares: the snapshot that decisions read, and the inbox of the one task that
//! replaces it.
//!
//! One `ArcSwap`, atomics for counters, and no lock on the statement path. The worker holds only a weak reference to
//! this, so the last handle's drop ends it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::DbBackend;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    causality::{Clock, Current, OpenWrite, ReadRequirement, gate::Writing, losses::Losses},
    config::{Config, Discovery},
    intent::Classifier,
    metrics::{ClusterCounter, ClusterMetrics, NodeCounter, Publisher},
    node::{Lease, Node},
    signal::Signal,
    snapshot::{Published, Snapshot},
    state::{Moment, Ran},
    vocabulary::{NodeId, Stage},
};

use super::{
    admission::Admission,
    catalog::Judging,
    concrete::Concrete,
    events::Outlet,
    inbox::{HandleInbox, HandleOrder, StatementInbox, StatementNews},
    name::ClusterName,
    sampling_demand::Demand,
    worker_handle::WorkerHandle,
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
    pub(crate) snapshot: Published,
    pub(crate) judging: Judging,
    pub(crate) clock: Arc<Clock>,
    /// The last word of an authority on the epoch that this handle heard.
    pub(super) word: AtomicU64,
    /// Writes of this handle that were lost from sight.
    pub(crate) losses: Arc<Losses>,
    /// The primary says how far it has written; else only the time pin is left (rule C14).
    pub(crate) positions: AtomicBool,
    pub(crate) demand: Arc<Demand>,
    pub(crate) concrete: Concrete,
    pub(crate) telemetry: Telemetry,
    pub(crate) worker: WorkerHandle,
    pub(crate) admission: Admission,
    /// When the cluster began: moments of the reducer count from here.
    pub(crate) origin: Instant,
}

/// What a cluster tells of itself.
pub(crate) struct Telemetry {
    pub(crate) metrics: ClusterMetrics,
    pub(super) events: Outlet,
    pub(super) publisher: Arc<Publisher>,
}

/// What a new cluster starts from.
pub(super) struct Parts {
    pub(super) backend: DbBackend,
    pub(super) config: Config,
    pub(super) snapshot: Snapshot,
    pub(super) classifier: Classifier,
    pub(super) clock: Arc<Clock>,
    pub(super) positions: bool,
    pub(super) inboxes: (StatementInbox, HandleInbox),
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
            inboxes: (statements, orders),
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
        Self {
            backend,
            settings,
            admission: Admission::new(&config),
            snapshot: Published::new(snapshot, config.discovery != Discovery::Static),
            config,
            judging: Judging::new(classifier, reads_catalog),
            word: AtomicU64::new(clock.word()),
            clock,
            losses: Arc::default(),
            positions: AtomicBool::new(positions),
            demand: Arc::default(),
            concrete: Concrete::default(),
            telemetry: Telemetry {
                metrics: ClusterMetrics::default(),
                events: Outlet::default(),
                publisher: Arc::new(Publisher::new(name.as_str())),
            },
            worker: WorkerHandle::new(statements, orders, name, runtime),
            origin,
        }
    }

    /// Counts something that concerns no node.
    #[inline]
    pub(crate) fn count(&self, what: ClusterCounter) {
        self.telemetry.metrics.count(what);
    }

    /// The reducer's time.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
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
            && self.clock.is_in_use(self.snapshot.has_replicas())
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
            self.tell(StatementNews::Failed {
                node,
                generation,
                stage,
                signal,
                ran,
            });
        }
    }

    /// Waits until this node was asked what it is, and the picture shows the answer.
    pub(crate) async fn check(&self, node: NodeId) {
        let (answer, answered) = oneshot::channel();
        self.tell(StatementNews::Check(node, answer));
        // Without an answer the picture is what it is.
        let _ = tokio::time::timeout(self.config.check_timeout, answered).await;
    }

    /// Tells the worker, if it is still there.
    pub(crate) fn tell(&self, news: StatementNews) {
        if !self.worker.statements.send(news) {
            self.warn_if_orphaned();
        }
    }

    /// Lets the worker do something, if it is still there.
    pub(super) fn order(&self, order: HandleOrder) {
        if !self.worker.orders.send(order) {
            self.warn_if_orphaned();
        }
    }

    /// Whether the worker is gone with its runtime while handles live on (a static handle shared by several
    /// `#[tokio::test]`s): then statements go on with the last snapshot, and one warning says so. Connections that were
    /// made in that runtime are dead.
    pub(crate) fn warn_if_orphaned(&self) -> bool {
        let orphaned = self.worker.is_orphaned() && !self.is_closed();
        if orphaned {
            self.worker.warn_orphaned();
        }
        orphaned
    }

    /// Whether the application closed it, or a pool that it was given: there will be no other pool.
    pub(crate) fn is_closed(&self) -> bool {
        self.worker.was_closed() || self.concrete.was_closed()
    }

    pub(super) fn mark_closed(&self) {
        self.worker.mark_closed();
        // Whoever keeps a connection of its own wakes, and gives it up.
        self.snapshot.wake();
    }
}
