//! What only so many may have at a time: retries, permits of the primary for diverted reads, and waiters (rules R5,
//! R7).

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use tokio::sync::Semaphore;

use crate::{
    config::Config,
    route::budget::{Budget, Rates},
    state::Moment,
};

/// The limits of one cluster, shared by its handles.
pub(crate) struct Admission {
    /// The retry budget, as one word.
    budget: AtomicU64,
    rates: Rates,
    /// The permits of the primary that reads may have for want of a replica (rule R7).
    pub(crate) share: Arc<Semaphore>,
    pub(super) waiting: AtomicU32,
}

impl Admission {
    pub(super) fn new(config: &Config) -> Self {
        let share = usize::try_from(config.diversion_limit.max(1)).unwrap_or(1);
        let rates = Rates {
            per_second: config.retries_per_second,
            percent: config.retry_percent,
        };
        Self {
            budget: AtomicU64::new(Budget::new(Moment::default(), rates).to_bits()),
            rates,
            share: Arc::new(Semaphore::new(share)),
            waiting: AtomicU32::new(0),
        }
    }

    /// Takes one retry from the budget, if one is left (rule R5).
    pub(crate) fn spend_retry(&self, now: Moment) -> bool {
        let spend = |bits| {
            Budget::from_bits(bits)
                .spend(now, self.rates)
                .map(Budget::to_bits)
        };
        self.budget
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, spend)
            .is_ok()
    }

    /// How many retries the budget allows now.
    pub(super) fn retries_left(&self, now: Moment) -> u64 {
        Budget::from_bits(self.budget.load(Ordering::Acquire)).left(now, self.rates)
    }

    /// Credits the requests since the last time to the retry budget.
    pub(super) fn credit_retries(&self, requests: u64, now: Moment) {
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

    /// How many statements wait for a node.
    #[inline]
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Acquire)
    }
}
