//! What only so many may have at a time: repeats, and waiters (rules R5, R7).

use std::sync::{Arc, atomic::Ordering};

use super::{shared::Shared, worker::Message};
use crate::{metrics::ClusterCounter, route::budget::Budget, state::Moment};

impl Shared {
    /// Takes one repeat from the budget, if one is left (rule R5).
    pub(crate) fn spend_retry(&self) -> bool {
        let now = Moment(self.origin.elapsed());
        let spend = |bits| {
            Budget::from_bits(bits)
                .spend(now, self.rates)
                .map(Budget::to_bits)
        };
        self.budget
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, spend)
            .is_ok()
    }

    /// How many repeats the budget allows now.
    pub(super) fn retries_left(&self) -> u64 {
        let now = Moment(self.origin.elapsed());
        Budget::from_bits(self.budget.load(Ordering::Acquire)).left(now, self.rates)
    }

    /// Credits the requests since the last time to the retry budget.
    pub(super) fn credit_retries(&self, requests: u64) {
        let now = Moment(self.origin.elapsed());
        let credit = |bits| {
            Some(
                Budget::from_bits(bits)
                    .credit(requests, now, self.rates)
                    .to_bits(),
            )
        };
        // The closure never refuses.
        let _ = self
            .budget
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, credit);
    }

    /// Counts one that waits for a node, until it is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.metrics.count(ClusterCounter::Wait);
        if self.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            // Somebody has to look for a primary now, if there is none.
            self.tell(Message::Wanted);
        }
        Waiting(Arc::clone(self))
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Acquire)
    }
}

/// A statement that waits for a node; its drop makes room for another.
pub(crate) struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
