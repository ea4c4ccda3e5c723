//! Counters indexed by a word, so that recording is one relaxed addition and no look-up.
//!
//! Relaxed is enough: each counter is a fact of its own, nothing is published through it, and an addition is never
//! lost. The order in which two counters are seen to move means nothing.

use std::array;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::names::Counted;
use crate::vocabulary::{Intent, Reason, Role};

/// One counter for each of the `N` words of `W`.
#[derive(Debug)]
pub(crate) struct Counters<W, const N: usize> {
    cells: [AtomicU64; N],
    words: PhantomData<W>,
}

impl<W, const N: usize> Default for Counters<W, N> {
    fn default() -> Self {
        Self {
            cells: array::from_fn(|_| AtomicU64::new(0)),
            words: PhantomData,
        }
    }
}

impl<W: Counted, const N: usize> Counters<W, N> {
    /// Counts one.
    #[inline]
    pub(crate) fn add(&self, word: W) {
        self.cells[word.index()].fetch_add(1, Relaxed);
    }

    /// How often this was counted so far.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn get(&self, word: W) -> u64 {
        self.cells[word.index()].load(Relaxed)
    }

    /// Adds what was counted so far to `sums`.
    pub(crate) fn sum_into(&self, sums: &mut [u64; N]) {
        for (sum, cell) in sums.iter_mut().zip(&self.cells) {
            *sum += cell.load(Relaxed);
        }
    }
}

const INTENTS: usize = Intent::ALL.len();
const REASONS: usize = Reason::ALL.len();

/// How many combinations of role, intent and reason there are.
///
/// All roles have cells, also those that get no statement, so that no combination needs a decision here.
pub(crate) const STATEMENTS: usize = Role::ALL.len() * INTENTS * REASONS;

/// Statements of one node, by the role it had for them, by intent and by reason.
#[derive(Debug)]
pub(crate) struct StatementCounters {
    cells: [AtomicU64; STATEMENTS],
}

impl Default for StatementCounters {
    fn default() -> Self {
        Self {
            cells: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl StatementCounters {
    /// Counts one statement.
    #[inline]
    pub(crate) fn record(&self, role: Role, intent: Intent, reason: Reason) {
        let index = (role as usize * INTENTS + intent as usize) * REASONS + reason as usize;
        self.cells[index].fetch_add(1, Relaxed);
    }

    /// Adds what was counted so far to `sums`.
    pub(crate) fn sum_into(&self, sums: &mut [u64; STATEMENTS]) {
        for (sum, cell) in sums.iter_mut().zip(&self.cells) {
            *sum += cell.load(Relaxed);
        }
    }
}

/// The words that belong to an index in the sums: the inverse of what [`StatementCounters::record`] computes.
#[must_use]
pub(crate) fn statement_at(index: usize) -> (Role, Intent, Reason) {
    let (rest, reason) = (index / REASONS, index % REASONS);
    (
        Role::ALL[rest / INTENTS],
        Intent::ALL[rest % INTENTS],
        Reason::ALL[reason],
    )
}
