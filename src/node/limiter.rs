//! The statements that a node is given at a time: turns in front of its places (rule R7), as many as were
//! [learned](AdaptiveLimit) to be best.
//!
//! A turn is for one statement. Transactions, streams and whatever else keeps a connection take a place without one, so
//! that none of them holds up statements. A turn is waited for only while turns come back: where every one is with a
//! statement that takes long, who waits goes on without, and its node's places are the only bound, as if there were no
//! limit. A fixed time-out was rejected: under load every statement would reach it and the limit would be none.

mod adaptive;

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use self::adaptive::{AdaptiveLimit, TrialResult};

/// No turn has come back for so long: those who wait go on without.
const STUCK: Duration = Duration::from_millis(2);

/// A limit is in force for so many statements and so long, before the next one is tried.
const ENOUGH: u64 = 512;
const TRIAL: Duration = Duration::from_millis(20);

/// What took longer says nothing of the load of now.
const TOO_OLD: Duration = Duration::from_secs(2);

/// The bits of [`Limiter::sums`] that hold the sum of the logarithms; those above count.
const SUM_BITS: u32 = 40;

/// Of each logarithm so many parts.
const PARTS: f64 = 256.0;

/// The turns of one life of a node's pool.
#[derive(Debug)]
pub(crate) struct Limiter {
    turns: Semaphore,
    began: Instant,
    /// Turns that go when they come back, since there are too many.
    surplus: AtomicU32,
    /// Response times are measured: somebody has waited not long ago.
    measures: AtomicBool,
    /// Somebody has waited since the trial began.
    waited: AtomicBool,
    /// When a turn came back last, in microseconds after `began`.
    returned: AtomicU64,
    /// How many response times were measured in this trial, and the sum of their logarithms.
    sums: AtomicU64,
    trial: Mutex<TrialState>,
}

#[derive(Debug)]
struct TrialState {
    limit: AdaptiveLimit,
    /// How many turns there are, the surplus left out.
    turns: u32,
    since: Instant,
}

impl Limiter {
    /// At most so many as its pool has connections.
    pub(super) fn new(most: u32) -> Self {
        let limit = AdaptiveLimit::new(most);
        let turns = limit.in_force();
        Self {
            turns: Semaphore::new(usize::try_from(turns).unwrap_or(Semaphore::MAX_PERMITS)),
            began: Instant::now(),
            surplus: AtomicU32::new(0),
            measures: AtomicBool::new(false),
            waited: AtomicBool::new(false),
            returned: AtomicU64::new(0),
            sums: AtomicU64::new(0),
            trial: Mutex::new(TrialState {
                limit,
                turns,
                since: Instant::now(),
            }),
        }
    }

    /// A turn that is free.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Turn> {
        self.turns.try_acquire().ok()?.forget();
        Some(self.turn(None, true))
    }

    /// A turn as soon as one is free, or none where none comes back.
    pub(super) async fn take(self: &Arc<Self>) -> Turn {
        if let Some(turn) = self.try_take() {
            return turn;
        }
        let asked = Instant::now();
        self.begin_to_wait(asked);
        let mut taking = pin!(self.turns.acquire());
        loop {
            tokio::select! {
                biased;
                taken = &mut taking => {
                    // It is never closed.
                    let counts = taken.map(tokio::sync::SemaphorePermit::forget).is_ok();
                    return self.turn(Some(asked), counts);
                }
                () = tokio::time::sleep(STUCK) => if self.is_stuck(Instant::now()) {
                    return self.turn(Some(asked), false);
                }
            }
        }
    }

    fn turn(self: &Arc<Self>, asked: Option<Instant>, counts: bool) -> Turn {
        Turn {
            limiter: Arc::clone(self),
            asked,
            counts,
        }
    }

    /// How many statements it gives at a time.
    pub(crate) fn limit(&self) -> u32 {
        self.trial.lock().map_or(0, |trial| trial.turns)
    }

    fn begin_to_wait(&self, now: Instant) {
        self.waited.store(true, Ordering::Relaxed);
        let Ok(mut trial) = self.trial.try_lock() else {
            return;
        };
        let measures = self.measures.load(Ordering::Relaxed);
        if measures && now.saturating_duration_since(trial.since) <= TOO_OLD {
            return;
        }
        // What was learned is of another load.
        trial.limit.forget();
        self.returned.store(self.micros(now), Ordering::Relaxed);
        self.begin_trial(&mut trial, now);
        self.measures.store(true, Ordering::Relaxed);
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let returned = self.began + Duration::from_micros(self.returned.load(Ordering::Relaxed));
        now.saturating_duration_since(returned) >= STUCK
    }

    /// A statement was answered so long after it had been asked for.
    fn note(&self, took: Duration, now: Instant) {
        let nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX).max(1);
        let sums = (1 << SUM_BITS) | parts(f64::from(nanos).log2());
        let sums = self.sums.fetch_add(sums, Ordering::Relaxed) + sums;
        self.returned.store(self.micros(now), Ordering::Relaxed);
        if sums >> SUM_BITS >= ENOUGH {
            self.learn(now);
        }
    }

    fn learn(&self, now: Instant) {
        let Ok(mut trial) = self.trial.try_lock() else {
            return;
        };
        let took = now.saturating_duration_since(trial.since);
        if took < TRIAL {
            return;
        }
        let sums = self.sums.load(Ordering::Relaxed);
        let (count, sum) = (sums >> SUM_BITS, sums & ((1 << SUM_BITS) - 1));
        match took > TOO_OLD {
            true => trial.limit.forget(),
            false => trial.limit.learn(TrialResult {
                mean: mean(sum, count),
                waited: self.waited.load(Ordering::Relaxed),
            }),
        }
        self.begin_trial(&mut trial, now);
        if trial.limit.is_free() {
            self.measures.store(false, Ordering::Relaxed);
        }
    }

    fn begin_trial(&self, trial: &mut TrialState, now: Instant) {
        let (before, after) = (trial.turns, trial.limit.in_force());
        trial.turns = after;
        trial.since = now;
        self.sums.store(0, Ordering::Relaxed);
        self.waited.store(false, Ordering::Relaxed);
        match after.checked_sub(before) {
            Some(more) => self.add(more),
            None => {
                self.surplus.fetch_add(before - after, Ordering::AcqRel);
                // Those that nobody has.
                while self.turns.try_acquire().is_ok_and(|free| {
                    let goes = self.takes_surplus();
                    if goes {
                        free.forget();
                    }
                    goes
                }) {}
            }
        }
    }

    /// Adds so many turns; what has not gone yet stays.
    fn add(&self, more: u32) {
        let kept = |surplus: u32| Some(surplus.saturating_sub(more));
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        let surplus = self.surplus.fetch_update(set, fetch, kept).unwrap_or(0);
        let more = usize::try_from(more.saturating_sub(surplus)).unwrap_or(0);
        self.turns.add_permits(more);
    }

    /// Whether a turn that is back is one too many.
    fn takes_surplus(&self) -> bool {
        let one_less = |surplus: u32| surplus.checked_sub(1);
        let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
        self.surplus.load(Ordering::Relaxed) > 0
            && self.surplus.fetch_update(set, fetch, one_less).is_ok()
    }

    fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The turn of one statement; its drop gives it to whoever has waited longest.
#[derive(Debug)]
pub(crate) struct Turn {
    limiter: Arc<Limiter>,
    /// When the turn was asked for; nothing where one was free.
    asked: Option<Instant>,
    /// The turn is one of the limit's.
    counts: bool,
}

impl Turn {
    /// The statement that was sent then has its answer.
    #[inline]
    pub(super) fn answered(&self, sent: Instant) {
        if self.limiter.measures.load(Ordering::Relaxed) {
            let now = Instant::now();
            let took = now.saturating_duration_since(self.asked.unwrap_or(sent));
            self.limiter.note(took, now);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.counts && !self.limiter.takes_surplus() {
            self.limiter.turns.add_permits(1);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a logarithm of at most 32"
)]
fn parts(logarithm: f64) -> u64 {
    (logarithm * PARTS) as u64
}

#[expect(clippy::cast_precision_loss, reason = "sums of fewer than 40 bits")]
fn mean(sum: u64, count: u64) -> f64 {
    sum as f64 / PARTS / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use super::{ENOUGH, Limiter, STUCK, TOO_OLD, TRIAL};

    fn limiter(most: u32) -> Arc<Limiter> {
        Arc::new(Limiter::new(most))
    }

    /// As many as are free.
    fn all(limiter: &Arc<Limiter>) -> Vec<super::Turn> {
        std::iter::from_fn(|| limiter.try_take()).collect()
    }

    /// One trial, in which each statement took so long.
    fn trial(limiter: &Limiter, took: Duration) {
        let now = limiter.trial.lock().unwrap().since + TRIAL;
        (0..ENOUGH).for_each(|_| limiter.note(took, now));
    }

    #[tokio::test]
    async fn who_waits_has_the_next_turn_that_comes_back() {
        let limiter = limiter(2);
        let mut held = all(&limiter);
        assert_eq!(held.len(), 2);
        let waits = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.take().await }
        });
        tokio::task::yield_now().await;
        held.pop();
        assert!(waits.await.unwrap().counts);
        assert_eq!(all(&limiter).len(), 1, "what was had was given back");
    }

    /// Every turn is with a statement that takes long: a fast one would have waited for it, with connections to spare.
    #[tokio::test]
    async fn where_no_turn_comes_back_nobody_waits_for_one() {
        let limiter = limiter(2);
        let held = all(&limiter);
        let begun = Instant::now();
        let without = limiter.take().await;
        assert!(!without.counts);
        assert!(begun.elapsed() >= STUCK);
        drop(without);
        assert!(limiter.try_take().is_none(), "it gave nothing back");
        drop(held);
        assert_eq!(all(&limiter).len(), 2);
    }

    #[tokio::test]
    async fn turns_that_are_too_many_go_when_they_come_back() {
        let limiter = limiter(10);
        let held = all(&limiter);
        limiter.begin_to_wait(Instant::now());
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 7, "the lower one is tried");
        drop(held);
        let held = all(&limiter);
        assert_eq!(held.len(), 7);
        trial(&limiter, TRIAL);
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 10, "the upper one again");
        assert_eq!(all(&limiter).len(), 3);
        drop(held);
        assert_eq!(all(&limiter).len(), 10);
    }

    #[tokio::test]
    async fn what_was_shorter_stays() {
        let limiter = limiter(10);
        limiter.begin_to_wait(Instant::now());
        let (long, short) = (TRIAL, TRIAL / 2);
        for took in [long, short, short, long] {
            limiter.waited.store(true, super::Ordering::Relaxed);
            trial(&limiter, took);
        }
        let learned = limiter.trial.lock().unwrap().limit.clone();
        assert_eq!(learned.in_force(), 10, "the upper one of seven");
        assert_eq!(limiter.limit(), 10);
        limiter.waited.store(true, super::Ordering::Relaxed);
        trial(&limiter, long);
        assert_eq!(limiter.limit(), 4, "the lower one of seven");
    }

    #[tokio::test]
    async fn a_limit_that_was_learned_long_ago_is_forgotten() {
        let limiter = limiter(10);
        let now = Instant::now();
        limiter.begin_to_wait(now);
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 7);
        let since = limiter.trial.lock().unwrap().since;
        limiter.begin_to_wait(since + TOO_OLD);
        assert_eq!(limiter.limit(), 7);
        limiter.begin_to_wait(since + TOO_OLD + TRIAL);
        assert_eq!(limiter.limit(), 10);
        assert_eq!(all(&limiter).len(), 10);
    }
}
