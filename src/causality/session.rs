//! A session: what one caller wrote and saw, and what its reads need for that (rules C1, C8, C9, C10).
//!
//! The process is one session, the default; tasks and explicit sessions are others. Each remembers the number that the
//! write clock had when its last write returned, and asks the clock once for the position that covers it. A bookmark
//! and a read that must not be undone add to that position.

mod bookmarks;
#[cfg(feature = "tower")]
mod client;
mod handed_on;
mod seen;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::Id;

use super::{
    monotonic::ObservedRead,
    pending_writes::{Held, PendingWrites, WriteReturn},
    pin::{Mark, Pin},
    position_cell::PositionCell,
    waiting::WaitingBookmark,
    write_clock::WriteClock,
};

/// The session that a statement reads and writes in. What a session writes, the process has written too.
#[derive(Clone, Debug)]
pub(crate) enum Current {
    /// Everything this process does on the cluster.
    Process,
    /// An explicit one.
    Session(Arc<Session>),
    /// A client's, which reads in another one as well, and writes in its own.
    Client(Arc<Session>),
    /// The session of a tokio task.
    Task(Id),
    /// None: it needs nothing, and leaves nothing behind.
    Untracked,
}

/// One session on one cluster.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The session is everything that the process does, so that every tick of the clock is its own.
    pub(super) is_process: bool,
    /// The session is a client's, and this is what it reads in beside it.
    pub(super) outer: Option<Current>,
    /// The clock when its last write returned; 0 before the first. Of the process: of what no other session wrote.
    pub(super) tick: AtomicU64,
    /// The tick as it stood when the session began.
    #[cfg(feature = "tower")]
    base: u64,
    /// Up to which of its ticks the position below stands.
    pub(super) settled: AtomicU64,
    pub(super) at: PositionCell,
    /// What keeps it on the primary; unused by the process ([`Session::pending`]).
    hold: PendingWrites,
    pub(crate) pin: Pin,
    /// `concrete()` was asked of a handle of it: what is done there may be its own.
    concrete: AtomicBool,
    /// A bookmark of another cluster is no error.
    lenient: AtomicBool,
    /// Bookmarks are in the rest.
    unsettled: AtomicBool,
    /// There is something in the rest.
    has_rest: AtomicBool,
    rest: Mutex<Rest>,
}

/// What is seldom there.
#[derive(Debug, Default)]
struct Rest {
    /// Bookmarks that were not held against the primary yet.
    bookmarks: Vec<WaitingBookmark>,
    /// A read has waited for them as long as it may.
    waited: bool,
    /// Reads on replicas after which no position was told yet.
    seen: Vec<ObservedRead>,
    /// The tick that stands for reads which were forgotten for a later one.
    seen_tick: u64,
    /// Positions that were of an epoch that is over.
    lost: u64,
}

impl Session {
    /// The session of the process.
    pub(super) fn of_process() -> Self {
        Self {
            is_process: true,
            ..Self::default()
        }
    }

    /// Takes in the writes that have returned since. Whether others have not, and whether of others nothing more will
    /// be heard.
    pub(crate) fn open_writes(&self, clock: &WriteClock) -> (bool, bool) {
        let held = self.held(clock);
        (held.waits, held.unresolved)
    }

    /// How the writes stand that the session has to see and that have not returned: its own, and what is unresolved on
    /// connections of `concrete()` and may be its own.
    #[inline]
    pub(super) fn held(&self, clock: &WriteClock) -> Held {
        let own = self
            .pending(clock)
            .take_returned(&clock.count, |returned| self.take_in(returned));
        match self.shares_concrete() {
            true => own.and(clock.concrete.take_returned(&clock.count)),
            false => own,
        }
    }

    fn take_in(&self, returned: WriteReturn) {
        self.wrote(returned.tick);
        self.extend_pin(returned.at, returned.pin);
    }

    /// From now on it needs this as well.
    pub(crate) fn raise(&self, clock: &WriteClock, epoch: u64, lsn: u64) {
        let current = clock.epoch();
        // Where the current one has not begun yet, it is exchanged later.
        let first = (epoch < current).then(|| clock.first_of(current)).flatten();
        let (epoch, lsn) = first.map_or((epoch, lsn), |first| (current, first));
        let _one = self.rest();
        let known = self.at.epoch();
        if known == epoch {
            self.at.raise(lsn);
        } else if known < epoch {
            self.at.begin(epoch, lsn);
        }
    }

    /// The position was of an epoch that is over: what survived of it lies below the first of the current one, and what
    /// did not is lost on every node (rule C10).
    pub(super) fn exchange(&self, clock: &WriteClock, current: u64, first: u64) {
        self.raise(clock, current, first);
        self.rest().lost += 1;
        clock.count_position_lost();
    }

    /// How often a position of this session was of an epoch that is over.
    pub(crate) fn positions_lost(&self) -> u64 {
        self.rest().lost
    }

    /// A write of it returned, and that was its number.
    pub(crate) fn wrote(&self, tick: u64) {
        self.tick.fetch_max(tick, Ordering::AcqRel);
    }

    /// A write of this session returned where there are no positions: its reads are pinned for so long.
    pub(crate) fn extend_pin(&self, now: Instant, pin: Duration) {
        self.pin.extend(now, pin);
    }

    /// What is done through `concrete()` may be its own.
    pub(crate) fn mark_concrete(&self) {
        self.concrete.store(true, Ordering::Release);
    }

    /// Whether what is done through `concrete()` may be this session's own.
    pub(crate) fn may_use_concrete(&self) -> bool {
        self.is_process || self.concrete.load(Ordering::Acquire)
    }

    /// Whether what is done there counts for it beside its own. The process has it among its own.
    #[inline]
    pub(super) fn shares_concrete(&self) -> bool {
        !self.is_process && self.concrete.load(Ordering::Acquire)
    }

    /// How its time pin stands.
    pub(super) fn mark(&self, clock: &WriteClock) -> Mark {
        let own = self.pin.mark();
        match self.shares_concrete() {
            true => own.max(clock.concrete.mark()),
            false => own,
        }
    }

    /// What brings its bookmarks is not to be trusted: those of another cluster are dropped without a word.
    #[cfg(feature = "tower")]
    pub(crate) fn forgive_foreign(&self) {
        self.lenient.store(true, Ordering::Release);
    }

    /// Whether bookmarks of another cluster are dropped without a word.
    pub(crate) fn forgives_foreign(&self) -> bool {
        self.lenient.load(Ordering::Acquire)
    }

    /// What keeps the session on the primary. That of the process lies in the write clock.
    #[inline]
    pub(super) fn pending<'a>(&'a self, clock: &'a WriteClock) -> &'a PendingWrites {
        match self.is_process {
            true => &clock.pending,
            false => &self.hold,
        }
    }

    /// Whether something waits that reads must not miss.
    #[inline]
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled.load(Ordering::Acquire)
    }

    /// Whether bookmarks wait to be held against the primary, or reads for a position.
    #[inline]
    pub(crate) fn has_rest(&self) -> bool {
        self.has_rest.load(Ordering::Acquire)
    }

    fn note_rest(&self, rest: &Rest) {
        let bookmarks = !rest.bookmarks.is_empty();
        self.unsettled.store(bookmarks, Ordering::Release);
        let any = bookmarks || !rest.seen.is_empty();
        self.has_rest.store(any, Ordering::Release);
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
