//! A session: what one caller wrote and saw, and what its reads need for that (rules C1, C8, C9, C10).
//!
//! The process is one session, the default; tasks and explicit sessions are others. Each remembers the number that the
//! write clock had when its last write returned, and asks the clock once for the position that covers it. A bookmark
//! and a read that must not be undone add to that position.

#[cfg(feature = "tower")]
mod client;
pub(crate) mod clock;
mod current;
mod epochs;
pub(crate) mod gate;
pub(crate) mod losses;
mod monotonic;
mod pending_writes;
mod pin;
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

use self::pending_writes::PendingWrites;
#[cfg(test)]
pub(crate) use self::replay_position::ReadCovers;
pub(crate) use self::{
    clock::{Clock, Named, Whose, Word},
    current::{Abandoned, Current},
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
    /// The ordinal of that position's epoch; 0 while there is none.
    epoch: AtomicU64,
    lsn: AtomicU64,
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
            epoch: AtomicU64::new(self.epoch.load(Ordering::Acquire)),
            lsn: AtomicU64::new(self.lsn.load(Ordering::Acquire)),
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
        let epoch = other.epoch.load(Ordering::Acquire);
        if epoch != 0 {
            self.raise(clock, epoch, other.lsn.load(Ordering::Acquire));
        }
        self.wrote(other.written(clock));
        if other.concrete.load(Ordering::Acquire) {
            self.uses_concrete();
        }
    }

    /// The number of its last write.
    #[inline]
    pub(crate) fn written(&self, clock: &Clock) -> u64 {
        if self.is_process {
            return clock.ticks();
        }
        let own = self.tick.load(Ordering::Acquire);
        match self.concrete.load(Ordering::Acquire) {
            true => own.max(clock.concrete_tick()),
            false => own,
        }
    }

    /// What a read that arrives now needs.
    #[inline]
    pub(crate) fn need(&self, clock: &Clock) -> ReadRequirement {
        self.need_at(clock, self.written(clock))
    }

    /// What a read needs that has to see its writes up to this one.
    pub(crate) fn need_at(&self, clock: &Clock, tick: u64) -> ReadRequirement {
        let mut tick = tick;
        if self.shares_lost_concrete(clock) {
            return ReadRequirement::Primary;
        }
        if self.hold.any() {
            let held = self.hold.settle(clock);
            tick = tick.max(held.tick);
            self.wrote(held.tick);
            if held.waits || held.lost {
                return ReadRequirement::Primary;
            }
        }
        self.covered_need(clock, tick)
    }

    /// Whether something is under way that was lost on a connection of `concrete()`, perhaps of this session.
    fn shares_lost_concrete(&self, clock: &Clock) -> bool {
        if self.is_process || !self.concrete.load(Ordering::Acquire) || !clock.process.hold.any() {
            return false;
        }
        let held = clock.process.hold.settle(clock);
        held.waits || held.lost
    }

    /// What a read of this session needs as far as what has returned.
    fn covered_need(&self, clock: &Clock, tick: u64) -> ReadRequirement {
        let own = if self.is_process {
            clock.need_of(tick)
        } else {
            self.settle(clock, tick)
        };
        own.and(self.position(clock))
    }

    /// Takes in the writes that have returned since. Whether others have not, and whether of others nothing more will
    /// be heard.
    pub(crate) fn open_writes(&self, clock: &Clock) -> (bool, bool) {
        let held = self.hold.settle(clock);
        self.wrote(held.tick);
        (held.waits, held.lost)
    }

    /// Asks the clock once for what covers a write, and remembers it.
    fn settle(&self, clock: &Clock, tick: u64) -> ReadRequirement {
        if tick <= self.settled.load(Ordering::Acquire) {
            return ReadRequirement::Nothing;
        }
        match clock.first_need_of(tick) {
            ReadRequirement::Position { epoch, lsn } => {
                self.raise(clock, epoch, lsn);
                self.settled.fetch_max(tick, Ordering::AcqRel);
                ReadRequirement::Nothing
            }
            need => need,
        }
    }

    /// What the session is known to need apart from uncovered writes.
    #[inline]
    fn position(&self, clock: &Clock) -> ReadRequirement {
        if self.is_unsettled() {
            return ReadRequirement::Primary;
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        if epoch == 0 {
            return ReadRequirement::Nothing;
        }
        let current = clock.epoch();
        if epoch < current {
            if let Some(first) = clock.first_of(current) {
                self.exchange(clock, current, first);
            }
            return ReadRequirement::Primary;
        }
        let lsn = self.lsn.load(Ordering::Acquire);
        if self.epoch.load(Ordering::Acquire) != epoch {
            return ReadRequirement::Primary;
        }
        ReadRequirement::Position { epoch, lsn }
    }

    /// From now on it needs this as well.
    pub(crate) fn raise(&self, clock: &Clock, epoch: u64, lsn: u64) {
        let current = clock.epoch();
        // Where the current one has not begun yet, it is exchanged later.
        let first = (epoch < current).then(|| clock.first_of(current)).flatten();
        let (epoch, lsn) = first.map_or((epoch, lsn), |first| (current, first));
        let _one = self.rest();
        let known = self.epoch.load(Ordering::Acquire);
        if known == epoch {
            self.lsn.fetch_max(lsn, Ordering::AcqRel);
        } else if known < epoch {
            // Nobody has come so far, until the position is there.
            self.lsn.store(clock::NOBODY, Ordering::Release);
            self.epoch.store(epoch, Ordering::Release);
            self.lsn.store(lsn, Ordering::Release);
        }
    }

    /// The position was of an epoch that is over: what survived of it lies below the first of the current one, and what
    /// did not is lost on every node (rule C10).
    fn exchange(&self, clock: &Clock, current: u64, first: u64) {
        self.raise(clock, current, first);
        self.rest().lost += 1;
        clock.position_lost();
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
    pub(crate) fn pinned(&self, now: Instant, pin: Duration) {
        self.pin.extend(now, pin);
    }

    /// What is done through `concrete()` may be its own.
    pub(crate) fn uses_concrete(&self) {
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
        let epoch = clock.epoch_of(self.epoch.load(Ordering::Acquire));
        let position = epoch.map(|epoch| Position {
            epoch,
            lsn: Lsn(self.lsn.load(Ordering::Acquire)),
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
