//! What one cluster knows of positions: whose writes a read has to see, and who can be asked for them.
//!
//! Statements ask it what a read needs and tell it of writes; the tasks that ask servers put in what they hear. It is
//! shared on its own, so that those tasks keep alive neither the cluster's pools nor its worker.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::PoisonError;
use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    sampling_demand::Demand,
    telling::Telling,
    wait::{self, Look},
    wait_budget::WaitBudget,
};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::vocabulary::Role;
use crate::{
    causality::{
        Clock, Current, LastReport, OpenWrite, ReadRequirement, ReplayObservation, ReplayReport,
        Replayed, Several, allowance::Traffic, gate::Writing, unresolved::UnresolvedWrites,
    },
    config::Config,
    metrics::{ClusterCounter, ClusterMetrics},
    node::Node,
    snapshot::Published,
    vocabulary::NodeId,
};

/// What is asked of the cluster that a tracker belongs to. It is the cluster's own, and not its worker's inbox, because
/// a cluster outlives its worker.
pub(crate) trait ClusterAccess: Send + Sync {
    /// Whether the application closed it: nothing is asked for it any more.
    fn is_closed(&self) -> bool;

    /// A pool's connections lead to more than one server, or to one that was started again.
    fn on_several(&self, node: NodeId, pool: &Arc<Replayed>, several: Several);

    /// Has every node asked what it is: somebody has seen more than the picture shows.
    fn ask_everyone(&self);
}

/// How time protects reads where positions do not (rule C14).
#[derive(Clone, Copy, Debug)]
pub(crate) struct PinSettings {
    /// How long reads of a session keep to the primary after a write. Zero where reads are always fresh (SQLite), or are
    /// said to be.
    pub(crate) length: Duration,
    /// The operator's word that no replica is further behind. Without that, time proves nothing.
    pub(crate) is_trusted: bool,
    /// Reads are always fresh: writes leave nothing behind that a read has to see. What was not known at the start is taken
    /// for not so.
    pub(crate) reads_are_fresh: bool,
}

/// The positions of one cluster, behind all of its handles.
pub(crate) struct Tracker {
    pub(crate) clock: Arc<Clock>,
    /// The last word of an authority on the epoch that this handle heard.
    word: AtomicU64,
    /// Writes of this handle that are unresolved.
    pub(crate) unresolved: Arc<UnresolvedWrites>,
    pub(super) telling: Telling,
    pub(crate) demand: Arc<Demand>,
    /// How many wait until somebody has come somewhere.
    waiting: AtomicU64,
    /// What the last waits for a replica took.
    pub(crate) waits: WaitBudget,
    pub(crate) pin: PinSettings,
    pub(super) snapshot: Arc<Published>,
    pub(super) config: Arc<Config>,
    metrics: Arc<ClusterMetrics>,
    /// The statements that the allowance has earned by.
    credited: Mutex<Traffic>,
    /// Positions that a test makes.
    #[cfg(feature = "testing")]
    pub(super) simulated: Option<super::simulated::SimulatedPositions>,
    cluster: Weak<dyn ClusterAccess>,
}

/// What a new tracker begins from.
pub(crate) struct TrackerParts {
    pub(crate) clock: Arc<Clock>,
    /// Servers may say how far they have come.
    pub(crate) may_have_positions: bool,
    /// The positions that they tell prove something, as far as is known.
    pub(crate) has_positions: bool,
    pub(crate) pin: PinSettings,
    pub(crate) snapshot: Arc<Published>,
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Arc<ClusterMetrics>,
    /// Positions are a test's.
    pub(crate) simulated: bool,
}

impl Tracker {
    pub(crate) fn new(parts: TrackerParts, cluster: Weak<dyn ClusterAccess>) -> Self {
        let TrackerParts {
            clock,
            may_have_positions,
            has_positions,
            pin,
            snapshot,
            config,
            metrics,
            simulated,
        } = parts;
        #[cfg(not(feature = "testing"))]
        let _ = simulated;
        Self {
            word: AtomicU64::new(clock.writes.word()),
            clock,
            unresolved: Arc::default(),
            telling: Telling::new(may_have_positions, has_positions),
            demand: Arc::default(),
            waiting: AtomicU64::new(0),
            waits: WaitBudget::default(),
            pin,
            snapshot,
            config,
            metrics,
            credited: Mutex::default(),
            #[cfg(feature = "testing")]
            simulated: simulated.then(super::simulated::SimulatedPositions::new),
            cluster,
        }
    }

    /// Whether so much may be asked that nobody waits for.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn can_afford(&self, wanted: f64) -> bool {
        let now = Instant::now();
        let mut allowance = self.clock.allowance.lock();
        if allowance.is_due(now) {
            let counted = self.traffic();
            let mut credited = self.credited.lock().unwrap_or_else(PoisonError::into_inner);
            allowance.earn(now, counted.since(*credited));
            *credited = counted;
        }
        allowance.has(wanted)
    }

    /// What was sent up to now. A transaction counts as one statement.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    fn traffic(&self) -> Traffic {
        let mut traffic = Traffic {
            covered: self.metrics.counted(ClusterCounter::CoveredRead),
            ..Traffic::default()
        };
        for node in self.snapshot.load().nodes() {
            let (begun, _) = node.member.metrics.progress();
            traffic.statements += begun;
            if node.seen.role == Role::Replica {
                traffic.on_replicas += begun;
            }
        }
        traffic
    }

    /// Whether servers say how far they have come.
    #[inline]
    pub(crate) fn has_positions(&self) -> bool {
        self.telling.is_told()
    }

    /// The primary says that it will not tell, or what servers tell proves nothing. Whether that is new.
    pub(crate) fn mark_untold(&self) -> bool {
        self.telling.end()
    }

    /// What servers tell proves something again. The picture shows it before, so that no read which looks at positions
    /// finds a node there whose position proves nothing. Whether that is new.
    pub(crate) fn mark_told(&self) -> bool {
        self.telling.begin(|| self.clock.writes.ticks())
    }

    /// Notes whether what the servers tell proves something now; whether it does and did not before.
    pub(crate) fn proves_again(&self, proves: bool) -> bool {
        self.telling.proves_again(proves)
    }

    /// The last write of which a bookmark may say nothing, because there were no positions; 0 where there is none.
    #[cfg(feature = "tower")]
    pub(crate) fn untold_until(&self) -> u64 {
        self.telling.untold_until()
    }

    /// Whether this node's connections can say how far its server has replayed.
    pub(crate) fn gives_position(&self, node: &Node) -> bool {
        node.direct.is_some() && self.has_positions()
    }

    /// The last word of an authority on the epoch that this handle heard.
    pub(crate) fn word(&self) -> u64 {
        self.word.load(Ordering::Acquire)
    }

    /// This handle has heard that one.
    pub(crate) fn set_word(&self, word: u64) {
        self.word.store(word, Ordering::Release);
    }

    /// A write of this session returned, whichever way.
    pub(crate) fn wrote(&self, current: &Current) {
        if !self.pin.reads_are_fresh {
            current.wrote(&self.clock, self.pin.length);
        }
    }

    /// A write of this session is under way until this is dropped.
    pub(crate) fn open_write(&self, current: &Current, writing: Writing) -> OpenWrite {
        let pin = (!self.pin.reads_are_fresh).then_some(self.pin.length);
        OpenWrite::new(&self.clock, &self.unresolved, writing, current, pin)
    }

    /// Whether something is being done through a connection of a `concrete()`, of this handle or of another one to the
    /// cluster, that a replica may lack and this session has to see.
    #[inline]
    pub(crate) fn has_unseen(&self, current: &Current) -> bool {
        self.clock.has_handed_out()
            && current.may_use_concrete()
            && self.clock.is_in_use(self.snapshot.has_replicas())
    }

    /// What a read of this session that arrives now needs of the node that serves it.
    #[inline]
    pub(crate) fn need(&self, current: &Current) -> ReadRequirement {
        #[cfg(feature = "testing")]
        self.capture_simulated();
        if self.has_unseen(current) {
            if !self.has_positions() {
                return ReadRequirement::Primary;
            }
            self.clock.writes.note_concrete_out();
        }
        self.need_of_seen(current)
    }

    /// What a read of this session needs, without what is done out of our sight.
    fn need_of_seen(&self, current: &Current) -> ReadRequirement {
        match self.has_positions() {
            true => {
                self.clock.writes.captures().note_read();
                current.need(&self.clock)
            }
            // What has not returned has no pin yet.
            false if self.has_open_writes(current) => ReadRequirement::Primary,
            // A pin that is over says nothing of a replica that is further behind, and nobody can tell how far it is.
            false if !self.pin.is_trusted && current.written(&self.clock) > 0 => {
                ReadRequirement::Primary
            }
            false => current.pinned_need(&self.clock),
        }
    }

    /// Whether this session has writes that have not returned although nobody waits for them, and whether it has some
    /// whose connections are gone.
    pub(super) fn open_writes(&self, current: &Current) -> (bool, bool) {
        // Where there are positions, what is committed there is covered like what has returned.
        let concrete = !self.has_positions() && self.has_unseen(current);
        let (waits, unresolved) = current.open_writes(&self.clock);
        (waits || concrete, unresolved)
    }

    /// Whether this session has either.
    pub(crate) fn has_open_writes(&self, current: &Current) -> bool {
        let (waits, unresolved) = self.open_writes(current);
        waits || unresolved
    }

    /// A connection of this pool, or the one that asks again and again, said how far its server has come.
    pub(crate) fn learn(&self, node: NodeId, replayed: &Arc<Replayed>, report: &ReplayReport) {
        let (ordinal, lsn) = self.clock.writes.observe(report);
        let sample = ReplayObservation {
            told: LastReport {
                begun: report.begun,
                server: Some(report.server),
                source: report.source,
                lsn,
            },
            epoch: ordinal,
            lsn,
            complete: report.complete,
            address: report.address,
            connection: report.connection,
        };
        let (epoch, before) = replayed.known();
        let several = replayed.learn(&sample);
        if replayed.is_mixed() && replayed.asks_primary() {
            self.clock.writes.captures().ask();
        }
        let (now, after) = replayed.known();
        if now == epoch && after > before {
            for at in self.clock.writes.captured(epoch, before, after) {
                replayed.reached().record(at.elapsed());
            }
        }
        if several != Several::NoNews
            && let Some(cluster) = self.cluster.upgrade()
        {
            cluster.on_several(node, replayed, several);
        }
        self.clock.writes.news.notify_waiters();
    }

    /// Looks now, and again whenever the primary or a replica says how far it has come; nothing when the deadline comes
    /// first.
    pub(crate) async fn wait_until<T>(
        &self,
        deadline: Instant,
        look: impl FnMut() -> Look<T>,
    ) -> Option<T> {
        let _waits = PositionWaiter::of(&self.waiting);
        #[cfg(feature = "testing")]
        let look = self.look_at_simulated(look);
        wait::wait_until(&self.clock.writes.news, deadline, look).await
    }

    /// Whether somebody waits through this handle until the primary or a replica has come somewhere.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0 || self.demand.is_awaited()
    }

    /// Has every node asked what it is.
    pub(super) fn ask_everyone(&self) {
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.ask_everyone();
        }
    }

    /// Whether nobody is left for whom anything could be asked.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn is_over(&self) -> bool {
        self.cluster
            .upgrade()
            .is_none_or(|cluster| cluster.is_closed())
    }

    /// Counts something that concerns no node.
    pub(super) fn count(&self, what: ClusterCounter) {
        self.metrics.count(what);
    }
}

/// One that waits, until this is dropped.
struct PositionWaiter<'a>(&'a AtomicU64);

impl<'a> PositionWaiter<'a> {
    fn of(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for PositionWaiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
