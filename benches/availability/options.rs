//! How much of it. The short form exists to see that the bench runs.

use crate::{Result, arguments, load::Load, replica::State};

/// The command line, and `SEALANETEST_SHORT`.
#[derive(Debug)]
pub(crate) struct Options {
    /// Each load runs in each, in every state.
    pub(crate) rounds: usize,
    short: bool,
    only: Vec<State>,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let (mut rounds, mut only) = (None, Vec::new());
        let short = arguments::read(|argument, value| {
            match argument {
                "--rounds" => rounds = Some(value()?.parse()?),
                "--state" => only.push(State::parse(&value()?)?),
                _ => {
                    return Err(
                        format!("no option `{argument}`: --short, --rounds, --state").into(),
                    );
                }
            }
            Ok(())
        })?;
        Ok(Self {
            rounds: rounds.unwrap_or(if short { 1 } else { 3 }).max(1),
            short,
            only,
        })
    }

    /// All, unless some were named.
    pub(crate) fn states(&self) -> impl Iterator<Item = State> {
        let wanted = |state: &State| self.only.is_empty() || self.only.contains(state);
        State::ALL.into_iter().filter(wanted)
    }

    pub(crate) fn scaled(&self, load: Load) -> Load {
        if self.short { load.shorter() } else { load }
    }
}
