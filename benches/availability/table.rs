//! What became of it, side by side.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    Result,
    load::{Load, Ran},
    replica::State,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    /// SeaORM alone.
    Alone,
    Ours,
}

impl Arm {
    pub(crate) const BOTH: [Self; 2] = [Self::Alone, Self::Ours];
    pub(crate) const BOTH_BACK: [Self; 2] = [Self::Ours, Self::Alone];
}

type Cell = (State, Load);

pub(crate) struct Table {
    rounds: usize,
    /// Of both arms.
    cells: BTreeMap<Cell, [Ran; 2]>,
}

impl Table {
    pub(crate) fn new(rounds: usize) -> Self {
        Self {
            rounds,
            cells: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, cell: Cell, arm: Arm, ran: Ran) {
        let both = self.cells.entry(cell).or_default();
        let place = usize::from(arm == Arm::Ours);
        both[place].and(ran);
    }

    /// An error that names each load at which something failed that SeaORM alone would have served.
    pub(crate) fn verdict(&self) -> Result<()> {
        let worse = |(_, both): &(&Cell, &[Ran; 2])| {
            let [alone, ours] = both;
            alone.failed.is_empty() && !ours.failed.is_empty()
        };
        let worse: Vec<_> = self.cells.iter().filter(worse).collect();
        let failed = |place: usize| -> usize {
            let each = self.cells.values().map(|both| both[place].failed.len());
            each.sum()
        };
        println!(
            "availability rounds={} loads={} alone_failed={} ours_failed={} worse={}",
            self.rounds,
            self.cells.len(),
            failed(0),
            failed(1),
            worse.len(),
        );
        if worse.is_empty() {
            return Ok(());
        }
        let told = worse.into_iter().map(|((state, load), both)| {
            let failed = &both[1].failed;
            let first = failed.first().map_or("", String::as_str);
            let (state, load) = (state.name(), load.name);
            format!(
                "{state}, {load}: {} failed, the first: {first}",
                failed.len()
            )
        });
        let told: Vec<_> = told.collect();
        Err(told.join("\n").into())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
            writeln!(f, "load of the machine at the end: {}", load.trim())?;
        }
        writeln!(
            f,
            "{:<11}{:<14}{:>7} | {:>6}{:>9}{:>9} | {:>6}{:>9}{:>9}",
            "replica", "load", "reads", "alone", "p50 ms", "p99 ms", "ours", "p50 ms", "p99 ms"
        )?;
        for ((state, load), [alone, ours]) in &self.cells {
            let reads = ours.took.len() + ours.failed.len();
            write!(f, "{:<11}{:<14}{reads:>7}", state.name(), load.name)?;
            for ran in [alone, ours] {
                let mut took = ran.took.clone();
                took.sort();
                let [half, most] = [50, 99].map(|share| at(&took, share));
                write!(f, " | {:>6}{half:>9.1}{most:>9.1}", ran.failed.len())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The time below which this share of them lies, in milliseconds.
fn at(sorted: &[Duration], share: usize) -> f64 {
    let place = (sorted.len() * share).div_ceil(100).max(1) - 1;
    let took = sorted.get(place).copied().unwrap_or_default();
    took.as_secs_f64() * 1e3
}
