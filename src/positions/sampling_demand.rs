//! Who wants to know how far the replicas have come.
//!
//! Whoever waits says so once, for as long as he waits, and the [`pace`](super::pace) has the replicas asked again: to ask at
//! each look was the first form, and every answer is news that gives a look, so one who waited had each replica asked a
//! thousand times a second.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::{Notify, futures::Notified};

/// The position of whoever waits for answers, whatever these say: no replica comes as far.
const ANSWERS: u64 = u64::MAX;

/// Reads that would have gone to a replica, had one been known to have come as far.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    asked: AtomicU64,
    /// The positions that somebody waits for.
    awaited: Mutex<BTreeMap<u64, Waiters>>,
    asks: Notify,
    wishes: Notify,
}

/// Everybody who waits for one position.
#[derive(Debug)]
struct Waiters {
    count: u64,
    /// When the first of them came, also where that one is gone.
    since: Instant,
}

/// A position that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AwaitedPosition {
    /// Nothing where answers are waited for, whatever they say.
    pub(super) lsn: Option<u64>,
    pub(super) since: Instant,
}

impl Demand {
    /// Somebody waits for one answer: it is asked at once, whatever was asked before. Who looks again and again
    /// [`wait`](Self::wait)s.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.asks.notify_waiters();
    }

    /// Somebody waits for this position until this is dropped, and each answer may be the one.
    pub(crate) fn wait(&self, lsn: u64) -> Demanding<'_> {
        let now = Instant::now();
        let new = Waiters {
            count: 0,
            since: now,
        };
        self.awaited().entry(lsn).or_insert(new).count += 1;
        self.ask();
        Demanding { demand: self, lsn }
    }

    /// Somebody waits for what replicas that have come as far say next, until this is dropped.
    pub(crate) fn wait_for_answers(&self) -> Demanding<'_> {
        self.wait(ANSWERS)
    }

    /// Nobody waits, but a later read may profit: it is asked where nothing is under way and the allowance has something
    /// left. Nobody is woken who has such a question before him.
    pub(crate) fn wish(&self) {
        self.wishes.notify_waiters();
    }

    /// How often [`ask`](Self::ask) was called.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether somebody waits.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.awaited().is_empty()
    }

    /// The smallest position that somebody waits for and that lies behind this one.
    pub(super) fn awaited_behind(&self, lsn: u64) -> Option<AwaitedPosition> {
        let behind = (Bound::Excluded(lsn), Bound::Unbounded);
        let awaited = self.awaited();
        let (lsn, waiters) = awaited.range(behind).next()?;
        Some(AwaitedPosition {
            lsn: (*lsn != ANSWERS).then_some(*lsn),
            since: waiters.since,
        })
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeMap<u64, Waiters>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when somebody asks who had not been heard.
    pub(super) async fn asked_beyond(&self, heard: u64) {
        let news = self.asks.notified();
        if self.asked() == heard {
            news.await;
        }
    }

    /// Ends at the next wish after this call.
    pub(super) fn wished(&self) -> Notified<'_> {
        self.wishes.notified()
    }
}

/// See [`Demand::wait`].
#[must_use = "whoever waits holds it"]
pub(crate) struct Demanding<'a> {
    demand: &'a Demand,
    lsn: u64,
}

impl Drop for Demanding<'_> {
    fn drop(&mut self) {
        let mut awaited = self.demand.awaited();
        if let Some(waiters) = awaited.get_mut(&self.lsn) {
            waiters.count -= 1;
            if waiters.count == 0 {
                awaited.remove(&self.lsn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Demand;

    fn behind(demand: &Demand, lsn: u64) -> Option<u64> {
        demand.awaited_behind(lsn).and_then(|awaited| awaited.lsn)
    }

    #[test]
    fn the_smallest_position_is_that_of_those_who_wait_still() {
        let demand = Demand::default();
        let (one, other) = (demand.wait(7), demand.wait(7));
        let last = demand.wait(9);
        assert_eq!(behind(&demand, 6), Some(7));
        assert_eq!(behind(&demand, 7), Some(9));
        drop(one);
        assert_eq!(behind(&demand, 0), Some(7));
        drop(other);
        assert_eq!(behind(&demand, 0), Some(9));
        drop(last);
        assert!(!demand.is_awaited());
    }

    #[test]
    fn whoever_waits_for_answers_waits_behind_every_position_and_for_none() {
        let demand = Demand::default();
        let answers = demand.wait_for_answers();
        let awaited = demand.awaited_behind(u64::MAX - 1).unwrap();
        assert_eq!(awaited.lsn, None);
        drop(answers);
        assert_eq!(demand.awaited_behind(0), None);
    }
}
