//! Trials of limits: how long statements take under each, from asking to the answer.
//!
//! Measured only while somebody waits, or has not long ago: where nobody does, a limit has nothing to win.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::adaptive::{AdaptiveLimit, TrialResult};

/// A limit is in force for so many statements and so long, before the next one is tried.
pub(super) const ENOUGH: u64 = 512;
pub(super) const TRIAL: Duration = Duration::from_millis(20);

/// A trial that took longer says nothing of the load of now.
pub(super) const TOO_OLD: Duration = Duration::from_secs(2);

/// A limit is forgotten once no trial has told anything for so long. A server does not change from one burst to the next: forgetting
/// with each trial that was too old was rejected, since each burst then began with as many statements at a time as there are
/// connections, and its slowest ones were those.
pub(super) const FORGOTTEN: Duration = Duration::from_mins(1);

/// The bits of [`Trials::sums`] that hold the sum of the logarithms; those above count.
const SUM_BITS: u32 = 40;

/// Of each logarithm so many parts.
const PARTS: f64 = 256.0;

/// How many turns there were, and how many there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TurnChange {
    pub(super) before: u32,
    pub(super) after: u32,
}

/// The trials of one node.
#[derive(Debug)]
pub(super) struct Trials {
    /// Response times are measured: somebody has waited not long ago.
    measures: AtomicBool,
    /// Somebody has waited since the trial began.
    waited: AtomicBool,
    /// How many response times were measured in this trial, and the sum of their logarithms.
    sums: AtomicU64,
    now: Mutex<TrialUnderWay>,
}

#[derive(Debug)]
struct TrialUnderWay {
    limit: AdaptiveLimit,
    in_force: u32,
    since: Instant,
    /// When a trial was long enough to tell something last, or the first one began.
    learned: Instant,
}

impl TrialUnderWay {
    /// This trial told nothing. The limit stays, unless none has told anything for long.
    fn outlive(&mut self, now: Instant) {
        match now.saturating_duration_since(self.learned) > FORGOTTEN {
            true => {
                self.limit.forget();
                self.learned = now;
            }
            false => self.limit.try_anew(),
        }
    }
}

impl Trials {
    pub(super) fn new(most: u32) -> Self {
        let limit = AdaptiveLimit::new(most);
        Self {
            measures: AtomicBool::new(false),
            waited: AtomicBool::new(false),
            sums: AtomicU64::new(0),
            now: Mutex::new(TrialUnderWay {
                in_force: limit.in_force(),
                limit,
                since: Instant::now(),
                learned: Instant::now(),
            }),
        }
    }

    /// The limit in force.
    pub(super) fn limit(&self) -> u32 {
        let trial = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        trial.in_force
    }

    /// Whether response times are measured.
    #[inline]
    pub(super) fn measures(&self) -> bool {
        self.measures.load(Ordering::Relaxed)
    }

    /// Somebody waits. The first who does, after a time in which nothing was learned, begins anew.
    pub(super) fn begin_to_wait(&self, now: Instant) -> Option<TurnChange> {
        self.waited.store(true, Ordering::Relaxed);
        // Whoever has it sees to it.
        let mut trial = self.now.try_lock().ok()?;
        if self.measures() && now.saturating_duration_since(trial.since) <= TOO_OLD {
            return None;
        }
        trial.outlive(now);
        let change = self.begin(&mut trial, now);
        self.measures.store(true, Ordering::Relaxed);
        Some(change)
    }

    /// A statement was answered so long after it had been asked for.
    pub(super) fn note(&self, took: Duration, now: Instant) -> Option<TurnChange> {
        let nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX).max(1);
        let sums = (1 << SUM_BITS) | parts(f64::from(nanos).log2());
        let sums = self.sums.fetch_add(sums, Ordering::Relaxed) + sums;
        match sums >> SUM_BITS >= ENOUGH {
            true => self.learn(now),
            false => None,
        }
    }

    fn learn(&self, now: Instant) -> Option<TurnChange> {
        let mut trial = self.now.try_lock().ok()?;
        let took = now.saturating_duration_since(trial.since);
        if took < TRIAL {
            return None;
        }
        let sums = self.sums.load(Ordering::Relaxed);
        let (count, sum) = (sums >> SUM_BITS, sums & ((1 << SUM_BITS) - 1));
        match took > TOO_OLD {
            true => trial.outlive(now),
            false => {
                trial.limit.learn(TrialResult {
                    mean: mean(sum, count),
                    waited: self.waited.load(Ordering::Relaxed),
                });
                trial.learned = now;
            }
        }
        let change = self.begin(&mut trial, now);
        if trial.limit.is_free() {
            self.measures.store(false, Ordering::Relaxed);
        }
        Some(change)
    }

    fn begin(&self, trial: &mut TrialUnderWay, now: Instant) -> TurnChange {
        let before = std::mem::replace(&mut trial.in_force, trial.limit.in_force());
        trial.since = now;
        self.sums.store(0, Ordering::Relaxed);
        self.waited.store(false, Ordering::Relaxed);
        TurnChange {
            before,
            after: trial.in_force,
        }
    }

    /// When the trial of now began.
    #[cfg(test)]
    pub(super) fn since(&self) -> Instant {
        let trial = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        trial.since
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
