//! Leaky bucket over the time that reads wait for a replica (rule C5): what waits cost stays a small part of all time.
//!
//! A wait ends after a question to the primary and one to a replica at the earliest, which takes longer than the answer
//! of a primary that is near and idle; with asynchronous commit, or where a replica is delayed or paused, it lasts all the
//! time it may and the read goes to the primary after all. So reads may wait as long as the time that they spent on it
//! lately is below what two waits may last; a fiftieth of all time is forgotten. A read that finds the bucket full goes to
//! the primary at once. Two other ways were tried or considered: to stop once half of the last waits were in vain says
//! nothing of waits that end in time and cost more than they win, and throughput stayed at 0.7 of the primary's; the time
//! between a write and its replay is known of what was replayed only, and says nothing of a replica that stands still.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many of the longest waits may come one after the other.
const AT_ONCE: u32 = 2;

/// How many are counted of those that went on at the same time: where one ends in time, others soon may wait again.
const COUNTED: u32 = 3;

/// The part of all time that may be spent on waits.
const PART: u32 = 50;

/// The time that reads of one handle's cluster spent on waits.
#[derive(Debug, Default)]
pub(crate) struct WaitBudget(Mutex<Spent>);

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    time: Duration,
    /// When that was so; nothing before the first wait.
    at: Option<Instant>,
}

impl Spent {
    /// What is not forgotten yet.
    fn left(self, now: Instant) -> Duration {
        let passed = self.at.map(|at| now.saturating_duration_since(at));
        self.time.saturating_sub(passed.unwrap_or_default() / PART)
    }
}

impl WaitBudget {
    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a read may wait so long now.
    pub(crate) fn lets_wait(&self, now: Instant, limit: Duration) -> bool {
        self.spent().left(now) < limit.saturating_mul(AT_ONCE)
    }

    /// A wait that might have lasted so long ended after this time.
    pub(crate) fn end(&self, now: Instant, limit: Duration, waited: Duration) {
        let mut spent = self.spent();
        let before = spent.left(now);
        let most = limit.saturating_mul(COUNTED).max(before);
        *spent = Spent {
            time: (before + waited).min(most),
            at: Some(now),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PART, WaitBudget};

    const LIMIT: Duration = Duration::from_millis(10);

    /// The time that was spent on waits of this length by one who waits whenever he may, for ten seconds.
    fn spent(budget: &WaitBudget, now: Instant, wait: Duration) -> Duration {
        let (mut at, end, mut spent) = (now, now + Duration::from_secs(10), Duration::ZERO);
        while at < end {
            if budget.lets_wait(at, LIMIT) {
                at += wait;
                spent += wait;
                budget.end(at, LIMIT, wait);
            }
            at += Duration::from_millis(1);
        }
        spent
    }

    #[test]
    fn waits_take_a_fiftieth_of_the_time_and_two_limits() {
        let most = Duration::from_secs(10) / PART + 3 * LIMIT;
        for wait in [LIMIT / 10, LIMIT / 3, LIMIT] {
            let spent = spent(&WaitBudget::default(), Instant::now(), wait);
            assert!((most - 2 * LIMIT..=most).contains(&spent), "{spent:?}");
        }
    }

    #[test]
    fn an_application_that_thinks_waits_each_time() {
        let (budget, mut now) = (WaitBudget::default(), Instant::now());
        for _ in 0..1_000 {
            now += Duration::from_millis(100);
            assert!(budget.lets_wait(now, LIMIT));
            budget.end(now, LIMIT, LIMIT / 5);
        }
    }

    #[test]
    fn many_at_the_same_time_count_as_three() {
        let (budget, now) = (WaitBudget::default(), Instant::now());
        for _ in 0..32 {
            budget.end(now, LIMIT, LIMIT);
        }
        assert!(!budget.lets_wait(now, LIMIT));
        let later = now + (LIMIT + Duration::from_millis(1)) * PART;
        assert!(budget.lets_wait(later, LIMIT));
    }

    #[test]
    fn waits_that_may_last_longer_have_more_time() {
        let (budget, now) = (WaitBudget::default(), Instant::now());
        for _ in 0..3 {
            budget.end(now, LIMIT, LIMIT);
        }
        assert!(!budget.lets_wait(now, LIMIT));
        assert!(budget.lets_wait(now, LIMIT * 2));
        budget.end(now, LIMIT * 2, LIMIT);
        assert!(!budget.lets_wait(now, LIMIT * 2));
    }
}
