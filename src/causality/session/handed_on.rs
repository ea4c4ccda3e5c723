//! What one session hands on to another, and to a later one outside of this process.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{Rest, Session};
#[cfg(feature = "tower")]
use crate::position::{Lsn, Position};
use crate::{causality::write_clock::WriteClock, position::Asks};

impl Session {
    /// A session that goes on from here: it sees what was written and seen up to now.
    pub(crate) fn after(&self, clock: &WriteClock, concrete_in_use: bool) -> Self {
        // Before the tick is read: what returns in between is in one of the two.
        let hold = self.pending(clock).share();
        if self.shares_concrete() {
            hold.follow(clock.concrete.unresolved());
        }
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
        if self.shares_concrete() {
            child.pin.follow(&clock.concrete.pin);
        }
        child
    }

    /// The session has to see what the other one has to, as well. What cannot be handed on, bookmarks and reads, is
    /// covered by what the primary has now.
    pub(crate) fn join(&self, clock: &WriteClock, other: &Self) {
        self.pending(clock).follow(other.pending(clock));
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

    /// Whether the session wrote or saw something beside this position, or has found that the position is over or was
    /// never written.
    #[cfg(feature = "tower")]
    pub(crate) fn moved_from(&self, clock: &WriteClock, brought: &Asks) -> bool {
        // In this order: what returns in between is in one of the two.
        if self.pending(clock).any() || self.written(clock) > self.base {
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
        let mark = |position| clock.mark_of(position);
        !open && position.map_or(Asks::Nothing, mark) != *brought
    }
}
