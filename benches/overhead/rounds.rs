//! Interleaved rounds and what can be said from them.
//!
//! A machine that others use drifts by more within a minute than the router costs. So the arms take turns within each
//! round, in an order that changes, and only figures of one round are divided by each other.

use std::fmt;

use crate::Result;

/// Runs every arm once in each round, after one round that is not counted; returns, for each arm, one sample a round.
pub(crate) fn interleave<S>(
    rounds: usize,
    arms: usize,
    mut run: impl FnMut(usize, usize) -> Result<S>,
) -> Result<Vec<Vec<S>>> {
    for arm in 0..arms {
        run(arm, 0)?;
    }
    let mut samples: Vec<Vec<S>> = (0..arms).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..arms {
            let arm = (round + zigzag(turn, arms)) % arms;
            samples[arm].push(run(arm, round + 1)?);
        }
    }
    Ok(samples)
}

/// The order within a round, before it is rotated: 0, 1, last, 2, last but one, …
///
/// With an even number of arms, as many rounds let each arm follow each other arm exactly once, so that what one leaves
/// behind (idle backends, tasks that return connections) falls on all alike. A plain rotation would let one arm always
/// follow the same one.
fn zigzag(turn: usize, arms: usize) -> usize {
    if turn % 2 == 1 {
        turn.div_ceil(2)
    } else {
        (arms - turn / 2) % arms
    }
}

/// A median and the interval that holds the true one with a probability of 95 % or more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Of values, one a round.
    ///
    /// The interval is that of the order statistics: it assumes nothing about the distribution, which here has a long
    /// tail, and needs no resampling.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        if count == 0 {
            return Self {
                median: f64::NAN,
                low: f64::NAN,
                high: f64::NAN,
            };
        }
        let outside = ranks_outside(count);
        let median = (values[(count - 1) / 2] + values[count / 2]) / 2.0;
        Self {
            median,
            low: values[outside],
            high: values[count - 1 - outside],
        }
    }

    /// Of the quotients of two arms, round by round.
    pub(crate) fn of_ratios(
        over: impl Iterator<Item = f64>,
        under: impl Iterator<Item = f64>,
    ) -> Self {
        Self::of(over.zip(under).map(|(over, under)| over / under))
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(
            f,
            "{:.digits$} [{:.digits$}, {:.digits$}]",
            self.median, self.low, self.high
        )
    }
}

/// How many values may lie outside on each side: the most for which a fair coin, thrown `count` times, shows that few
/// heads with a probability of at most 2.5 %.
fn ranks_outside(count: usize) -> usize {
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut at_most, mut outside) = (probability, 0);
    while at_most <= 0.025 && outside < count / 2 {
        outside += 1;
        probability *= (count - outside + 1) as f64 / outside as f64;
        at_most += probability;
    }
    // The interval reaches from the value with that many below it.
    outside.saturating_sub(1)
}
