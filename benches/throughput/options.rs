//! What to measure and for how long. The short form exists to see that the bench runs.

use std::{path::PathBuf, time::Duration};

use crate::{Result, arguments};

/// One part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    CommitOn,
    CommitOff,
    FirstRead,
    Scale,
    Slowed,
}

impl Part {
    fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "commit-on" => Self::CommitOn,
            "commit-off" => Self::CommitOff,
            "first-read" => Self::FirstRead,
            "scale" => Self::Scale,
            "slowed" => Self::Slowed,
            _ => {
                return Err(format!(
                    "no part `{name}`: commit-on, commit-off, first-read, scale, slowed"
                )
                .into());
            }
        })
    }
}

/// The command line, and `SEALANETEST_SHORT`.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// Each arm runs once in each.
    pub(crate) rounds: usize,
    /// How long an arm runs in one round.
    pub(crate) slice: Duration,
    /// How many tasks run at once, one table for each.
    pub(crate) tasks: Vec<usize>,
    /// How many writes the first read after one is looked at for.
    pub(crate) firsts: u32,
    /// Where the picture goes.
    pub(crate) plot: Option<PathBuf>,
    only: Vec<Part>,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let (mut seed, mut rounds, mut slice, mut tasks) = (None, None, None, None);
        let (mut only, mut plot) = (Vec::new(), None);
        let short = arguments::read(|argument, value| {
            match argument {
                "--seed" => seed = Some(value()?.parse()?),
                "--rounds" => rounds = Some(value()?.parse()?),
                "--slice" => slice = Some(humantime::parse_duration(&value()?)?),
                "--tasks" => {
                    let given = value()?;
                    let counts = given.split(',').map(str::parse);
                    tasks = Some(counts.collect::<std::result::Result<Vec<usize>, _>>()?);
                }
                "--plot" => plot = Some(PathBuf::from(value()?)),
                "--only" => only.push(Part::parse(&value()?)?),
                _ => {
                    return Err(format!(
                        "no option `{argument}`: --short, --seed, --rounds, --slice, --tasks, --only, --plot"
                    )
                    .into());
                }
            }
            Ok(())
        })?;
        let (default_rounds, default_slice, firsts) =
            if short { (1, 100, 5) } else { (7, 1_000, 200) };
        let default_tasks = if short { vec![8] } else { vec![1, 8, 32] };
        Ok(Self {
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
            rounds: rounds.unwrap_or(default_rounds).max(1),
            slice: slice.unwrap_or(Duration::from_millis(default_slice)),
            tasks: tasks.unwrap_or(default_tasks),
            firsts,
            plot,
            only,
        })
    }

    /// Whether a part is to be measured: all are, unless some were named.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
