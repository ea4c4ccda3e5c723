//! How far a replica is known to have replayed (rules C4, C6).
//!
//! A position proves something for one incarnation of one server only: after a crash a standby came back 10 MB behind
//! what it had served, under the same start time. So the sample that was begun last wins, whatever it says: what is
//! known falls when a later one is lower, and an earlier one that comes in late is dropped. Every new connection brings
//! such a sample before it is used.
//!
//! Readers compare three atomics; samples are seldom and take a lock.

mod report;
mod sample;
mod servers;
mod several;

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::ReadRequirement;
use crate::{metrics::Histogram, mutants};
pub(crate) use report::{LastReport, ReplayObservation, ReplayReport, Upstream};
use sample::Notes;
#[cfg(test)]
pub(crate) use sample::ReadCovers;
#[cfg(any(test, feature = "postgres", feature = "mysql"))]
pub(crate) use servers::PrimaryWord;
pub(crate) use servers::{Another, LedTo, Promise, ServerNeed, ServerPositions, ServerWord};

/// How far one replica is known to have replayed.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// 0 while nothing is known.
    epoch: AtomicU64,
    lsn: AtomicU64,
    /// How many are at work that may open connections and give them back without asking.
    opaque: AtomicU64,
    /// Several servers answer under this name: what one of them has replayed proves nothing for another.
    mixed: AtomicBool,
    /// When a connection was last parted with because its server lags behind the others, in milliseconds from the first.
    parted: AtomicU64,
    /// Whether the several servers were reported already.
    reported: AtomicBool,
    /// How often the poller opened its connection: while this stands, the server lives on.
    poller_openings: AtomicU64,
    /// How often a connection was opened, or may have been.
    openings: AtomicU64,
    /// How long after a capture this server was known to have replayed it.
    reached: Histogram,
    /// The sample that counts; who waits for a later one hears of it here.
    counted: watch::Sender<Option<LastReport>>,
    /// One writer at a time.
    writing: Mutex<Notes>,
}

impl Default for Replayed {
    fn default() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            lsn: AtomicU64::new(0),
            opaque: AtomicU64::new(0),
            mixed: AtomicBool::new(false),
            parted: AtomicU64::new(0),
            reported: AtomicBool::new(false),
            poller_openings: AtomicU64::new(0),
            openings: AtomicU64::new(0),
            reached: Histogram::default(),
            counted: watch::Sender::new(None),
            writing: Mutex::default(),
        }
    }
}

impl Replayed {
    /// Whether a read with this need may run here.
    #[inline]
    pub(crate) fn covers(&self, need: ReadRequirement) -> bool {
        match need {
            ReadRequirement::Nothing => true,
            ReadRequirement::Primary => false,
            ReadRequirement::Position { lsn, .. } if mutants::lives("tick_without_epoch") => {
                self.told().and_then(|told| told.lsn) >= Some(lsn)
            }
            ReadRequirement::Position { epoch, lsn } => {
                // The epoch again behind the position: a writer changes it before and the position after.
                self.epoch.load(Ordering::Acquire) == epoch
                    && self.opaque.load(Ordering::Acquire) == 0
                    && self.lsn.load(Ordering::Acquire) >= lsn
                    && self.epoch.load(Ordering::Acquire) == epoch
            }
        }
    }

    /// As far as it is known to have come.
    pub(crate) fn known(&self) -> (u64, u64) {
        (
            self.epoch.load(Ordering::Acquire),
            self.lsn.load(Ordering::Acquire),
        )
    }

    /// How long after captures that was.
    pub(crate) fn reached(&self) -> &Histogram {
        &self.reached
    }

    /// The name is known from before to have several servers that answer under it.
    pub(crate) fn mark_several(&self) {
        self.mixed.store(true, Ordering::Release);
        self.reported.store(true, Ordering::Release);
    }

    /// A connection leads to this server: once two have led to two, what one has replayed proves nothing. One that was
    /// opened before any position was told counts as well. Whether it is another one than the first.
    pub(crate) fn meet(&self, server: u64, address: Option<u64>) -> bool {
        let mut notes = self.notes();
        let other = notes.meet(server, address) && !mutants::lives("balanced_name_as_one_server");
        if other {
            self.mixed.store(true, Ordering::Release);
            self.set(0, 0);
        }
        other
    }

    /// Whether positions prove nothing here, because several servers answer.
    pub(crate) fn is_mixed(&self) -> bool {
        self.mixed.load(Ordering::Acquire)
    }

    /// Whether a connection to one of several servers may be parted with because that one lags: where all of them do, each read
    /// would open one. `pause`: how long after the last one.
    pub(crate) fn may_part(&self, pause: Duration) -> bool {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        let now = u64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.parted.load(Ordering::Acquire);
        let due = last == 0 || u128::from(now.saturating_sub(last)) >= pause.as_millis();
        let (new, old) = (Ordering::AcqRel, Ordering::Acquire);
        due && self
            .parted
            .compare_exchange(last, now.max(1), new, old)
            .is_ok()
    }

    /// Takes a sample in, unless one that was begun later counts already.
    pub(crate) fn learn(&self, sample: &ReplayObservation) -> Several {
        if let Some(server) = sample.told.server {
            self.meet(server, sample.address);
        }
        let mut notes = self.notes();
        if self.is_mixed()
            && let Some(led_to) = sample.led_to()
        {
            // Where its own words do not say of which epoch it is, its connections are asked.
            notes.asks_primary |= notes.servers.note(led_to, sample.word(), Instant::now());
        }
        let sample = &notes.with_epoch(sample);
        notes.note(sample);
        let is_older = |last: &LastReport| sample.told.begun <= last.begun;
        if !self.counted.borrow().as_ref().is_some_and(is_older) {
            let known = match (sample.epoch, sample.lsn) {
                (Some(epoch), Some(lsn)) if !self.is_mixed() => (epoch, lsn),
                _ => (0, 0),
            };
            self.set(known.0, known.1);
            self.counted.send_replace(Some(sample.told));
        }
        match self.is_mixed() && !self.reported.swap(true, Ordering::AcqRel) {
            false => Several::NoNews,
            true if notes.restarted => Several::Restarted,
            true => Several::Found,
        }
    }

    /// Forgets what is known unless the server was asked after this moment: a connection was opened then that was not
    /// asked itself, and may belong to a new incarnation.
    pub(crate) fn forget_unless_asked_since(&self, opened: Instant) {
        if mutants::lives("position_kept_over_crash") {
            return;
        }
        let _one = self.notes();
        self.opened();
        let is_older = |last: &LastReport| last.begun <= opened;
        if self.counted.borrow().as_ref().is_none_or(is_older) {
            self.set(0, 0);
            self.counted.send_replace(Some(LastReport::nothing(opened)));
        }
    }

    /// Nothing is known until this is dropped, and nothing of before it afterwards: in between, connections may be
    /// opened and given back that were not asked.
    pub(crate) fn opaque(self: &Arc<Self>) -> Opaque {
        self.opaque.fetch_add(1, Ordering::AcqRel);
        Opaque(Arc::clone(self))
    }

    /// The poller has opened its connection: the number of that.
    pub(crate) fn poller_opened(&self) -> u64 {
        self.poller_openings.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the connection that the poller has now; 0 before the first.
    pub(crate) fn poller_openings(&self) -> u64 {
        self.poller_openings.load(Ordering::Acquire)
    }

    /// A connection for statements was opened, or may have been.
    pub(crate) fn opened(&self) {
        self.openings.fetch_add(1, Ordering::AcqRel);
    }

    /// How often a connection for statements was opened, or may have been.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Acquire)
    }

    /// A position that covers what was seen here before this moment while the poller had this connection, if one is
    /// known.
    pub(crate) fn covering(&self, connection: u64, returned: Instant) -> Option<(u64, u64)> {
        let cover = self.notes().read_covers.proven()?;
        let covers = cover.connection == connection && cover.begun > returned && !self.is_mixed();
        covers.then_some(cover.position)
    }

    fn set(&self, epoch: u64, lsn: u64) {
        if self.epoch.load(Ordering::Acquire) != epoch {
            self.lsn.store(0, Ordering::Release);
            self.epoch.store(epoch, Ordering::Release);
        }
        self.lsn.store(lsn, Ordering::Release);
    }

    /// Hears of every sample that counts.
    pub(crate) fn news(&self) -> watch::Receiver<Option<LastReport>> {
        self.counted.subscribe()
    }

    /// The sample that counts.
    pub(crate) fn told(&self) -> Option<LastReport> {
        *self.counted.borrow()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sample says of how many servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Several {
    NoNews,
    /// Another one than before, which has the same address: the server, started again.
    Restarted,
    /// Another one than before.
    Found,
}

/// See [`Replayed::opaque`].
pub(crate) struct Opaque(Arc<Replayed>);

impl Drop for Opaque {
    fn drop(&mut self) {
        self.0.forget_unless_asked_since(Instant::now());
        self.0.opaque.fetch_sub(1, Ordering::AcqRel);
    }
}
