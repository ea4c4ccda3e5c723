//! A session: what one caller wrote and saw, and what its reads need for that (rules C1, C8, C9, C10).
//!
//! The process is one session, the default; tasks and explicit sessions are others. Each remembers the number that the
//! write clock had when its last write returned, and asks the clock once for the position that covers it. A bookmark
//! and a read that must not be undone add to that position.

mod abandoned;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL gives positions")
)]
pub(crate) mod allowance;
#[cfg(feature = "tower")]
mod client;
pub(crate) mod clock;
mod current;
mod epochs;
pub(crate) mod gate;
pub(crate) mod losses;
mod monotonic;
mod need;
mod pending_writes;
mod pin;
mod position_cell;
mod replay_position;
mod requirement;
mod scopes;
mod tasks;
mod unseen;
mod waiting;
mod write;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[cfg(test)]
pub(crate) use self::replay_position::ReadCovers;
pub(crate) use self::{
    abandoned::Abandoned,
    clock::{Clock, Named, Whose, Word},
    current::Current,
    monotonic::{ObservedRead, ReadAffinity},
    pending_writes::UNKNOWN_HOLD,
    pin::{Pin, Stood},
    replay_position::{LastReport, ReplayObservation, ReplayReport, Replayed, Several, Upstream},
    requirement::ReadRequirement,
    scopes::{Scopes, within},
    unseen::{HandsOut, Settled},
    waiting::WaitingBookmark,
    write::OpenWrite,
};
use self::{pending_writes::PendingWrites, position_cell::PositionCell};
use crate::position::Asks;
#[cfg(feature = "tower")]
use crate::position::{Lsn, Position};

/// One session on one cluster.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The session is everything that the process does, so that every tick of the clock is its own.
    is_process: bool,
    /// The session is a client's, and this is what it reads in beside it.
    outer: Option<Current>,
    /// The clock when its last write returned; 0 before the first. Of the process: of what no other session wrote.
    tick: AtomicU64,
    /// The tick as it stood when the session began.
    #[cfg(feature = "tower")]
    base: u64,
    /// Up to which of its ticks the position below stands.
    settled: AtomicU64,
    at: PositionCell,
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
    fn of_process() -> Self {
        Self {
            is_process: true,
            ..Self::default()
        }
    }

    /// A session that goes on from here: it sees what was written and seen up to now.
    pub(crate) fn after(&self, clock: &Clock, concrete_in_use: bool) -> Self {
        // Before the tick is read: what returns in between is in one of the two.
        let hold = self.hold.share();
        let rest = self.rest();
        let child = Self {
            tick: AtomicU64::new(self.written(clock)),
            settled: AtomicU64::new(if self.is_process {
                0
            } else {
                self.settled.load(Ordering::Acquire)
            }),
            at: self.at.copy(),
            hold,
            concrete: AtomicBool::new(concrete_in_use),
            unsettled: AtomicBool::new(!rest.bookmarks.is_empty()),
            has_rest: AtomicBool::new(self.has_rest.load(Ordering::Acquire)),
            rest: Mutex::new(Rest {
                bookmarks: rest.bookmarks.clone(),
                waited: rest.waited,
                seen: rest.seen.clone(),
                seen_tick: 0,
                lost: 0,
            }),
            ..Self::default()
        };
        child.pin.follow(&self.pin);
        child
    }

    /// The session has to see what the other one has to, as well. What cannot be handed on, bookmarks and reads, is
    /// covered by what the primary has now.
    pub(crate) fn join(&self, clock: &Clock, other: &Self) {
        for open in other.hold.share().into_open() {
            self.hold.add(open);
        }
        if other.has_rest() {
            self.wrote(clock.tick());
        }
        if let Some(until) = other.stays_until() {
            self.observe(Asks::Primary { until });
        }
        self.pin.follow(&other.pin);
        let (epoch, lsn) = other.at.read();
        if epoch != 0 {
            self.raise(clock, epoch, lsn);
        }
        self.wrote(other.written(clock));
        if other.concrete.load(Ordering::Acquire) {
            self.mark_concrete();
        }
    }

    /// Takes in the writes that have returned since. Whether others have not, and whether of others nothing more will
    /// be heard.
    pub(crate) fn open_writes(&self, clock: &Clock) -> (bool, bool) {
        let held = self.hold.settle(clock);
        self.wrote(held.tick);
        (held.waits, held.lost)
    }

    /// From now on it needs this as well.
    pub(crate) fn raise(&self, clock: &Clock, epoch: u64, lsn: u64) {
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
    fn exchange(&self, clock: &Clock, current: u64, first: u64) {
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

    /// Whether the session wrote or saw something beside this position, or has found that the position is over or was
    /// never written.
    #[cfg(feature = "tower")]
    pub(crate) fn moved_from(&self, clock: &Clock, brought: Asks) -> bool {
        if self.written(clock) > self.base || self.hold.any() {
            return true;
        }
        let rest = self.rest();
        if !rest.seen.is_empty() {
            return true;
        }
        // What was not held against the primary is as it was brought.
        let open = !rest.bookmarks.is_empty();
        let (epoch, lsn) = self.at.read();
        let position = clock.epoch_of(epoch).map(|epoch| Position {
            epoch,
            lsn: Lsn(lsn),
        });
        !open && position.map_or(Asks::Nothing, Asks::At) != brought
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

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
