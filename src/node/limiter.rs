//! The statements that a node is given at a time: turns in front of its permits (rule R7), as many as the
//! [trials](Trials) found best.
//!
//! A turn is for one statement. Transactions and whatever else keeps a connection take a permit without one, and
//! streams give theirs back with their first row, so that none of them holds up statements. A turn is waited for only
//! while turns come back: where every one is with a statement that takes long, whoever comes goes on without, and its
//! node's permits are the only bound, as if there were no limit. A fixed time-out was rejected: under load every
//! statement would reach it and the limit would be none.

mod adaptive;
mod trials;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use self::trials::{Trials, TurnChange};

/// No turn has come back for so long: those who wait go on without.
const STUCK: Duration = Duration::from_millis(2);

/// The turns of one generation of a node's pool.
#[derive(Debug)]
pub(crate) struct Limiter {
    turns: Semaphore,
    /// Turns that go when they come back, since there are too many.
    surplus: AtomicU32,
    began: Instant,
    /// When a turn came back last, in microseconds after `began`.
    returned: AtomicU64,
    trials: Trials,
}

impl Limiter {
    /// At most so many as its pool has connections.
    pub(super) fn new(most: u32) -> Self {
        let trials = Trials::new(most);
        let turns = usize::try_from(trials.limit()).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            turns: Semaphore::new(turns),
            surplus: AtomicU32::new(0),
            began: Instant::now(),
            returned: AtomicU64::new(0),
            trials,
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
        if self.is_stuck(asked) {
            return self.turn(Some(asked), false);
        }
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
        self.trials.limit()
    }

    fn begin_to_wait(&self, now: Instant) {
        if let Some(change) = self.trials.begin_to_wait(now) {
            // Turns that came back before were not noted.
            self.note_return(now);
            self.apply(change);
        }
    }

    fn is_stuck(&self, now: Instant) -> bool {
        let returned = self.began + Duration::from_micros(self.returned.load(Ordering::Relaxed));
        now.saturating_duration_since(returned) >= STUCK
    }

    /// A turn has come back. Only of the limit's own: what went on without one tells nothing of those that are held.
    fn note_return(&self, now: Instant) {
        let since = now.saturating_duration_since(self.began);
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        self.returned.store(micros, Ordering::Relaxed);
    }

    /// Changes come in any order to the same number of turns.
    fn apply(&self, TurnChange { before, after }: TurnChange) {
        if let Some(more) = after.checked_sub(before) {
            return self.add(more);
        }
        self.surplus.fetch_add(before - after, Ordering::AcqRel);
        // Those that nobody has.
        while let Ok(free) = self.turns.try_acquire() {
            if !self.takes_surplus() {
                break;
            }
            free.forget();
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
        let limiter = &self.limiter;
        if !limiter.trials.measures() {
            return;
        }
        let now = Instant::now();
        if self.counts {
            limiter.note_return(now);
        }
        let took = now.saturating_duration_since(self.asked.unwrap_or(sent));
        if let Some(change) = limiter.trials.note(took, now) {
            limiter.apply(change);
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

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use futures_util::FutureExt;

    use super::{
        Limiter, STUCK,
        trials::{ENOUGH, FORGOTTEN, TOO_OLD, TRIAL},
    };

    fn limiter(most: u32) -> Arc<Limiter> {
        Arc::new(Limiter::new(most))
    }

    /// As many as are free.
    fn all(limiter: &Arc<Limiter>) -> Vec<super::Turn> {
        std::iter::from_fn(|| limiter.try_take()).collect()
    }

    /// One trial, in which each statement took so long.
    fn trial(limiter: &Limiter, took: Duration) {
        let now = limiter.trials.since() + TRIAL;
        let changes = (0..ENOUGH).filter_map(|_| limiter.trials.note(took, now));
        changes.for_each(|change| limiter.apply(change));
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

    /// What goes on without a turn is answered all the time: it kept others waiting for turns that do not come back.
    #[tokio::test]
    async fn what_goes_on_without_a_turn_holds_up_nobody() {
        let limiter = limiter(2);
        let _held = all(&limiter);
        let first = limiter.take().await;
        for _ in 0..10 {
            first.answered(Instant::now());
            let next = limiter.take().now_or_never().expect("it waited again");
            assert!(!next.counts);
        }
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
    async fn the_limit_with_the_shorter_times_stays() {
        let limiter = limiter(10);
        limiter.begin_to_wait(Instant::now());
        let (long, short) = (TRIAL, TRIAL / 2);
        for took in [long, short, short, long] {
            limiter.begin_to_wait(Instant::now());
            trial(&limiter, took);
        }
        assert_eq!(limiter.limit(), 10, "the upper one of seven");
        limiter.begin_to_wait(Instant::now());
        trial(&limiter, long);
        assert_eq!(limiter.limit(), 4, "the lower one of seven");
    }

    /// Bursts too small for a trial to tell anything, one after the other: a low limit had stayed for good.
    #[tokio::test]
    async fn a_limit_that_no_trial_confirms_is_forgotten_though_there_is_always_some_load() {
        let limiter = limiter(10);
        let (long, short) = (TRIAL, TRIAL / 2);
        for took in [long, short, short, long] {
            limiter.begin_to_wait(Instant::now());
            trial(&limiter, took);
        }
        let learned = limiter.trials.since();
        let mut now = learned;
        while now < learned + FORGOTTEN + TOO_OLD {
            now += TOO_OLD + TRIAL;
            limiter.begin_to_wait(now);
        }
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 7, "the lower one of ten, and not of seven");
    }

    #[tokio::test]
    async fn a_limit_that_was_learned_outlives_a_pause_and_not_a_long_one() {
        let limiter = limiter(10);
        let (long, short) = (TRIAL, TRIAL / 2);
        limiter.begin_to_wait(Instant::now());
        for took in [long, short, short, long] {
            limiter.begin_to_wait(Instant::now());
            trial(&limiter, took);
        }
        limiter.begin_to_wait(Instant::now());
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 4, "the lower one of seven");
        let since = limiter.trials.since();
        limiter.begin_to_wait(since + TOO_OLD);
        assert_eq!(limiter.limit(), 4, "that trial is under way");
        limiter.begin_to_wait(since + TOO_OLD + TRIAL);
        assert_eq!(limiter.limit(), 10, "the upper one of seven, anew");
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 4);
        let since = limiter.trials.since();
        limiter.begin_to_wait(since + FORGOTTEN + TRIAL);
        assert_eq!(limiter.limit(), 10);
        trial(&limiter, TRIAL);
        assert_eq!(limiter.limit(), 7, "the lower one of ten");
        assert_eq!(all(&limiter).len(), 7);
    }
}
