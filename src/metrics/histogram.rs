//! A log2 histogram of durations: the buckets are fixed, every power of two of nanoseconds in four equal steps.
//!
//! The bucket follows from the leading bits, so recording is one relaxed addition and needs no search. Four steps keep
//! the value that stands for a bucket within an eighth of every value in it; whole powers of two, at the same price,
//! would be off by up to a half. Exact sums are not kept: they would cost a second addition on every statement.
//! Statements and captures record here, and the exporter reads the buckets.

use std::array;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Values below 2^8 ns share the first bucket: no statement is that fast.
const LOW: u32 = 8;

/// Values from 2^36 ns (69 s) share the last bucket.
const HIGH: u32 = 36;

/// Two bits after the leading one: four steps.
const STEP_BITS: u32 = 2;

const STEPS: usize = 1 << STEP_BITS;

const STEP_MASK: u64 = (1 << STEP_BITS) - 1;

/// How many buckets there are.
pub(crate) const BUCKETS: usize = (HIGH - LOW) as usize * STEPS + 2;

const LAST: usize = BUCKETS - 1;

/// The bucket of a value.
#[inline]
fn bucket(nanos: u64) -> usize {
    let Some(power) = nanos.checked_ilog2().filter(|power| *power >= LOW) else {
        return 0;
    };
    if power >= HIGH {
        return LAST;
    }
    let step = ((nanos >> (power - STEP_BITS)) & STEP_MASK) as usize;
    1 + (power - LOW) as usize * STEPS + step
}

/// The value that stands for a bucket: its middle, and for the last one its lower bound.
fn middle(bucket: usize) -> Duration {
    let nanos = match bucket {
        0 => 1 << (LOW - 1),
        LAST.. => 1 << HIGH,
        _ => {
            let (octave, step) = ((bucket - 1) / STEPS, (bucket - 1) % STEPS);
            let width = (1u64 << (LOW - STEP_BITS)) << octave;
            width * (STEPS + step) as u64 + width / 2
        }
    };
    Duration::from_nanos(nanos)
}

/// Counts durations; see [`Buckets`] for what can be read from it.
#[derive(Debug)]
pub(crate) struct Histogram {
    cells: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            cells: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub(crate) fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.cells[bucket(nanos)].fetch_add(1, Relaxed);
    }

    /// Adds what was counted so far to `sums`.
    pub(crate) fn sum_into(&self, sums: &mut Buckets) {
        for (sum, cell) in sums.counts.iter_mut().zip(&self.cells) {
            *sum += cell.load(Relaxed);
        }
    }
}

/// What one or several histograms had counted at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    counts: [u64; BUCKETS],
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
        }
    }
}

impl Buckets {
    /// How many values were counted.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value below which the given share (0 to 1) of the values lies, or none if there are none.
    #[must_use]
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = share.clamp(0.0, 1.0) * self.count() as f64;
        let mut seen = 0;
        self.non_empty().find_map(|(value, count)| {
            seen += count;
            (seen as f64 >= wanted).then_some(value)
        })
    }

    /// The buckets that hold anything: the value that stands for each and its count, in rising order.
    pub(crate) fn non_empty(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(bucket, count)| (middle(bucket), *count))
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: array::from_fn(|i| self.counts[i].saturating_sub(earlier.counts[i])),
        }
    }

    /// A thinned copy: this distribution with about `most` values, if there are more. No bucket that holds anything
    /// becomes empty, since the rare values are what one looks for.
    #[must_use]
    pub(crate) fn thinned(&self, most: u64) -> Self {
        let count = u128::from(self.count());
        if count <= u128::from(most) {
            return self.clone();
        }
        let share = |cell: u64| (u128::from(cell) * u128::from(most)).div_ceil(count);
        Self {
            counts: self
                .counts
                .map(|cell| u64::try_from(share(cell)).unwrap_or(most)),
        }
    }
}

impl AddAssign<&Self> for Buckets {
    fn add_assign(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }
}
