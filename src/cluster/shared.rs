//! What every handle to a cluster shares: the snapshot that decisions read, and the inbox of the one task that
//! replaces it.
//!
//! One `ArcSwap`, atomics for counters, and no lock on the statement path. The worker holds only a weak reference to
//! this, so the last handle's drop ends it.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use sea_orm::DbBackend;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    causality::Clock,
    config::{Config, Discovery},
    intent::Classifier,
    metrics::{ClusterCounter, ClusterMetrics, Exporter, NodeCounter},
    node::{Lease, LeastPosition, local::LocalSettings},
    positions::tracker::{PinSettings, Tracker, TrackerParts},
    signal::Signal,
    snapshot::{Published, Snapshot},
    state::{Moment, Ran},
    vocabulary::{NodeId, Stage},
};

use super::{
    admission::Admission,
    concrete::Concrete,
    events::Outlet,
    inbox::{HandleInbox, HandleOrder, StatementInbox, StatementNews},
    judging::Judging,
    last_switched::LastSwitched,
    name::ClusterName,
    shadow::Shadow,
    worker_handle::WorkerHandle,
};

/// How long reads are not asked for in vain behind a name with several servers, where nothing else was said (rule C6).
const PIN: Duration = Duration::from_secs(2);

/// One cluster, behind all of its handles.
pub(crate) struct Shared {
    pub(crate) backend: DbBackend,
    pub(crate) config: Arc<Config>,
    pub(crate) snapshot: Arc<Published>,
    pub(crate) judging: Judging,
    pub(crate) clock: Arc<Clock>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) concrete: Concrete,
    pub(crate) telemetry: Telemetry,
    /// The transaction of a read that a follower may serve, where the system has such reads.
    pub(crate) follower_reads: Option<Arc<LocalSettings>>,
    pub(crate) worker: WorkerHandle,
    pub(crate) admission: Admission,
    pub(crate) shadow: Shadow,
    /// How far a server has to be so as not to be further behind than `SEALANE_MAX_LAG`.
    pub(crate) least_position: LeastPosition,
    /// When the cluster began: moments of the reducer count from here.
    pub(crate) origin: Instant,
}

/// What a cluster tells of itself.
pub(crate) struct Telemetry {
    pub(crate) metrics: Arc<ClusterMetrics>,
    pub(super) events: Outlet,
    pub(super) last_switched: LastSwitched,
    pub(super) exporter: Arc<Exporter>,
    #[cfg(feature = "otel")]
    pub(crate) otel: super::otel::Otel,
}

impl Telemetry {
    fn new(
        metrics: Arc<ClusterMetrics>,
        name: &str,
        #[cfg(feature = "otel")] otel: super::otel::Otel,
    ) -> Self {
        Self {
            metrics,
            events: Outlet::default(),
            last_switched: LastSwitched::default(),
            exporter: Arc::new(Exporter::new(name)),
            #[cfg(feature = "otel")]
            otel,
        }
    }
}

/// What a new cluster starts from.
pub(super) struct Parts {
    pub(super) backend: DbBackend,
    pub(super) config: Config,
    pub(super) snapshot: Snapshot,
    pub(super) classifier: Classifier,
    pub(super) clock: Arc<Clock>,
    /// The servers may say how far they have come.
    pub(super) may_have_positions: bool,
    /// The positions that they tell prove something, as far as is known.
    pub(super) positions: bool,
    /// A read on any node sees what was written on any other.
    pub(super) reads_are_fresh: bool,
    /// What begins a read that a follower may serve.
    pub(super) follower_read: Option<String>,
    pub(super) inboxes: (StatementInbox, HandleInbox),
    pub(super) reads_catalog: bool,
    /// Positions are a test's.
    pub(super) simulated: bool,
    pub(super) name: ClusterName,
}

/// How a read of what followers have begins.
fn begun_by(begin: &str, classifier: &Classifier, backend: DbBackend) -> Arc<LocalSettings> {
    let judge = Arc::new(classifier.with_local(backend, &[]));
    Arc::new(LocalSettings::begun_by(begin, judge))
}

impl Shared {
    /// `own`: where it will be.
    pub(super) fn new(
        parts: Parts,
        runtime: Option<Handle>,
        origin: Instant,
        own: &Weak<Self>,
    ) -> Self {
        let Parts {
            backend,
            config,
            snapshot,
            classifier,
            clock,
            may_have_positions,
            positions,
            reads_are_fresh,
            follower_read,
            inboxes: (statements, orders),
            reads_catalog,
            simulated,
            name,
        } = parts;
        let config = Arc::new(config);
        let is_static = config.discovery == Discovery::Static;
        let snapshot = Arc::new(Published::new(snapshot, !is_static));
        let metrics = Arc::<ClusterMetrics>::default();
        #[cfg(feature = "otel")]
        let otel = super::otel::Otel::new(backend, &config);
        let tracker = TrackerParts {
            clock: Arc::clone(&clock),
            may_have_positions,
            has_positions: positions,
            pin: pin_settings(reads_are_fresh, &config),
            snapshot: Arc::clone(&snapshot),
            config: Arc::clone(&config),
            metrics: Arc::clone(&metrics),
            simulated,
        };
        Self {
            backend,
            follower_reads: follower_read.map(|begin| begun_by(&begin, &classifier, backend)),
            admission: Admission::new(&config),
            shadow: Shadow::default(),
            least_position: LeastPosition::default(),
            snapshot,
            config,
            judging: Judging::new(classifier, reads_catalog),
            clock,
            tracker: Arc::new(Tracker::new(tracker, own.clone())),
            concrete: Concrete::default(),
            telemetry: Telemetry::new(
                metrics,
                name.as_str(),
                #[cfg(feature = "otel")]
                otel,
            ),
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

    /// Tells the topology what was heard of a node, when it says something of the node, and what ran there.
    pub(crate) fn report(&self, lease: &Lease, stage: Stage, signal: Signal, ran: Ran) {
        lease.metrics().failure(signal.failure_kind());
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

fn pin_settings(reads_are_fresh: bool, config: &Config) -> PinSettings {
    PinSettings {
        length: match reads_are_fresh {
            true => Duration::ZERO,
            false => config.pin.unwrap_or(PIN),
        },
        is_trusted: reads_are_fresh || config.pin.is_some(),
        reads_are_fresh,
    }
}
