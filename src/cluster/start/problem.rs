//! What forbids a start, as the error of whoever connects.

use sea_orm::DbErr;

use super::Starting;
use crate::{config::Config, error::Error, state::StartProblem};

impl Starting {
    /// The error of a start that cannot be; a start that serves reads only says why.
    pub(super) fn check(&mut self, config: &Config) -> Result<(), Error> {
        match self.state.start_problem(config.start_without_primary) {
            None => {
                if let Some(why) = self.state.undecided() {
                    tracing::warn!("nothing is written: {why}");
                }
                Ok(())
            }
            Some(StartProblem::PrimaryInRecovery { name }) => Err(Error::PrimaryInRecovery {
                node: name.to_string(),
            }),
            Some(StartProblem::PrimaryUnreachable { name }) => {
                let unknown = || DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
                let source = self.primary_error.take().unwrap_or_else(unknown);
                Err(Error::Start {
                    node: name.to_string(),
                    source,
                })
            }
            Some(
                problem @ (StartProblem::NoPrimary
                | StartProblem::NobodyClaims
                | StartProblem::Undecided { .. }),
            ) => Err(Error::Topology {
                why: problem.to_string(),
            }),
        }
    }
}
