//! What to measure and for how long. The short form exists to see that the bench runs.

use std::time::Duration;

use crate::{Result, arguments};

/// The command line, and `SEALANETEST_SHORT`.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// How long each mix runs.
    pub(crate) length: Duration,
    /// A session thinks for up to twice this between two statements.
    pub(crate) think: Duration,
    /// How many pairs of writers' slices.
    pub(crate) pairs: usize,
    /// How long a slice of writers takes.
    pub(crate) slice: Duration,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let (mut seed, mut seconds, mut pairs, mut think) = (None, None, None, None);
        let short = arguments::read(|argument, value| {
            match argument {
                "--seed" => seed = Some(value()?.parse()?),
                "--seconds" => seconds = Some(value()?.parse()?),
                "--think" => think = Some(humantime::parse_duration(&value()?)?),
                "--pairs" => pairs = Some(value()?.parse()?),
                _ => {
                    return Err(format!(
                        "no option `{argument}`: --short, --seed, --seconds, --think, --pairs"
                    )
                    .into());
                }
            }
            Ok(())
        })?;
        let (default_seconds, default_pairs, slice) =
            if short { (1, 2, 100) } else { (10, 31, 1_000) };
        Ok(Self {
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
            length: Duration::from_secs(seconds.unwrap_or(default_seconds)),
            think: think.unwrap_or(Duration::from_millis(2)),
            pairs: pairs.unwrap_or(default_pairs),
            slice: Duration::from_millis(slice),
        })
    }
}
