//! A retry budget, as in tower: retries may be a tenth of the requests and ten a second, over about ten seconds (R5).
//!
//! The cluster keeps one: its worker credits requests, and a statement spends before a retry that costs.
//!
//! Without it, retries multiply the load of a cluster that fails because it is loaded. The whole state is one word, so
//! that it fits an atomic; requests are credited in bulk, as their counters are read anyway, because a shared counter
//! on every statement would cost more than the decision.

use crate::state::Moment;

/// Hundredths of a retry are counted.
const ONE: u64 = 100;
/// What was earned longer ago than this is gone.
const MEMORY_MILLIS: u64 = 10_000;

/// What is earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Repeats a second, whatever the traffic.
    pub(crate) per_second: u32,
    /// Repeats for a hundred requests.
    pub(crate) percent: u32,
}

impl Default for Rates {
    /// Enough for a quiet application to retry at all, and never a load that doubles.
    fn default() -> Self {
        Self {
            per_second: 10,
            percent: 10,
        }
    }
}

/// The retries left, and when they were last reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    hundredths: u32,
    /// Milliseconds, wrapping after 49 days: after so long a pause it earns too little once.
    at: u32,
}

impl Budget {
    /// What ten quiet seconds would have earned: a cluster that fails at its start is not worse off.
    #[must_use]
    pub(crate) fn new(now: Moment, rates: Rates) -> Self {
        Self {
            hundredths: narrow(u64::from(rates.per_second) * ONE * MEMORY_MILLIS / 1000),
            at: stamp(now),
        }
    }

    /// As one word.
    #[must_use]
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.at) << 32 | u64::from(self.hundredths)
    }

    /// From one word.
    #[must_use]
    pub(crate) fn from_bits(bits: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self {
            hundredths: half(bits),
            at: half(bits >> 32),
        }
    }

    /// Credits so many requests; once a second or so.
    #[must_use]
    pub(crate) fn credit(self, requests: u64, now: Moment, rates: Rates) -> Self {
        let earned = requests.saturating_mul(rates.percent.into());
        self.reckon(now, rates).plus(earned)
    }

    /// Takes one retry, if one is left.
    #[must_use]
    pub(crate) fn spend(self, now: Moment, rates: Rates) -> Option<Self> {
        let reckoned = self.reckon(now, rates);
        let left = u64::from(reckoned.hundredths).checked_sub(ONE)?;
        Some(Self {
            hundredths: narrow(left),
            ..reckoned
        })
    }

    /// How many retries are left.
    #[must_use]
    pub(crate) fn left(self, now: Moment, rates: Rates) -> u64 {
        u64::from(self.reckon(now, rates).hundredths) / ONE
    }

    /// Earns by time and forgets by time, so that what is saved up is never more than about ten seconds' earnings.
    fn reckon(self, now: Moment, rates: Rates) -> Self {
        let at = stamp(now);
        let passed = at.wrapping_sub(self.at);
        // Another thread's later clock has been here before.
        if passed > u32::MAX / 2 {
            return self;
        }
        let passed = u64::from(passed).min(MEMORY_MILLIS);
        let had = u64::from(self.hundredths);
        let kept = had - had * passed / MEMORY_MILLIS;
        let earned = u64::from(rates.per_second) * ONE * passed / 1000;
        if passed == 0 {
            return self;
        }
        Self {
            hundredths: narrow(kept + earned),
            at,
        }
    }

    fn plus(self, hundredths: u64) -> Self {
        Self {
            hundredths: narrow(u64::from(self.hundredths).saturating_add(hundredths)),
            ..self
        }
    }
}

fn stamp(now: Moment) -> u32 {
    u32::try_from(now.0.as_millis() & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

fn narrow(hundredths: u64) -> u32 {
    u32::try_from(hundredths).unwrap_or(u32::MAX)
}
