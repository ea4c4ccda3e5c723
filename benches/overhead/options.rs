//! What to measure and for how long.
//!
//! The short form exists to see that the bench runs; its figures mean little.

use std::time::Duration;

use crate::{Result, arguments};

/// One part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Decision,
    Allocations,
    Sqlite,
    Postgres,
    Connect,
}

impl Section {
    fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "decision" => Self::Decision,
            "allocations" => Self::Allocations,
            "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres,
            "connect" => Self::Connect,
            _ => {
                return Err(format!(
                    "no section `{name}`: decision, allocations, sqlite, postgres, connect"
                )
                .into());
            }
        })
    }
}

/// The command line, and `SEALANETEST_SHORT`.
#[derive(Debug)]
pub(crate) struct Options {
    /// Each arm runs once in each.
    pub(crate) rounds: usize,
    /// How long an arm selects in one round.
    pub(crate) select: Duration,
    /// How long an arm decides in one round.
    pub(crate) decide: Duration,
    only: Vec<Section>,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let (mut rounds, mut slice, mut only) = (None, None, Vec::new());
        let short = arguments::read(|argument, value| {
            match argument {
                "--rounds" => rounds = Some(value()?.parse()?),
                "--slice" => slice = Some(humantime::parse_duration(&value()?)?),
                "--quick" => only.push(Section::parse(&value()?)?),
                name => only.push(Section::parse(name)?),
            }
            Ok(())
        })?;
        let (default_rounds, select, decide) = if short { (5, 20, 1) } else { (81, 50, 10) };
        Ok(Self {
            rounds: rounds.unwrap_or(default_rounds).max(1),
            select: slice.unwrap_or(Duration::from_millis(select)),
            decide: Duration::from_millis(decide),
            only,
        })
    }

    /// Whether a section is to be measured: all are, unless some were named.
    pub(crate) fn wants(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }
}
