//! Who wants to know how far the replicas have come.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, futures::Notified};

/// Reads that would have gone to a replica, had one been known to have come as far.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    asked: AtomicU64,
    /// The positions that somebody waits for, and how many wait for each.
    awaited: Mutex<BTreeMap<u64, u64>>,
    asks: Notify,
    wishes: Notify,
}

impl Demand {
    /// Somebody waits for the answer: it is asked at once, whatever was asked before.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.asks.notify_waiters();
    }

    /// Somebody waits for this position until this is dropped, and each answer may be the one.
    pub(crate) fn wait(&self, lsn: u64) -> Demanding<'_> {
        *self.awaited().entry(lsn).or_default() += 1;
        self.ask();
        Demanding { demand: self, lsn }
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
    pub(super) fn awaited_behind(&self, lsn: u64) -> Option<u64> {
        let behind = (Bound::Excluded(lsn), Bound::Unbounded);
        let awaited = self.awaited();
        awaited.range(behind).next().map(|(lsn, _)| *lsn)
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
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
        if let Some(count) = awaited.get_mut(&self.lsn) {
            *count -= 1;
            if *count == 0 {
                awaited.remove(&self.lsn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Demand;

    #[test]
    fn the_smallest_position_is_that_of_those_who_wait_still() {
        let demand = Demand::default();
        let (one, other) = (demand.wait(7), demand.wait(7));
        let last = demand.wait(9);
        assert_eq!(demand.awaited_behind(6), Some(7));
        assert_eq!(demand.awaited_behind(7), Some(9));
        drop(one);
        assert_eq!(demand.awaited_behind(0), Some(7));
        drop(other);
        assert_eq!(demand.awaited_behind(0), Some(9));
        drop(last);
        assert!(!demand.is_awaited());
    }
}
