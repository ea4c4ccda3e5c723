//! How many rounds. The short form exists to see that the bench runs.

use crate::{Result, arguments};

/// The command line, and `SEALANETEST_SHORT`.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// Rounds in which the primary is killed.
    pub(crate) rounds: usize,
    /// Rounds in which it is frozen.
    pub(crate) freezes: usize,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let (mut seed, mut rounds, mut freezes) = (None, None, None);
        let short = arguments::read(|argument, value| {
            match argument {
                "--seed" => seed = Some(value()?.parse()?),
                "--rounds" => rounds = Some(value()?.parse()?),
                "--freezes" => freezes = Some(value()?.parse()?),
                _ => {
                    return Err(format!(
                        "no option `{argument}`: --short, --seed, --rounds, --freezes"
                    )
                    .into());
                }
            }
            Ok(())
        })?;
        let (default_rounds, default_freezes) = if short { (2, 1) } else { (50, 10) };
        Ok(Self {
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
            rounds: rounds.unwrap_or(default_rounds),
            freezes: freezes.unwrap_or(default_freezes),
        })
    }
}
