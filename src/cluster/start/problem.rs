//! What forbids a start, as the error of whoever connects.

use sea_orm::DbErr;

use super::Starting;
use crate::{
    cluster::source::Source,
    config::Config,
    error::{
        Error,
        causes::{CannotStart, NodeAnswer},
    },
    signal,
    state::StartProblem,
};

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
                Err(self.refused(&name, config, self.waits, source))
            }
            Some(StartProblem::NoPrimary) => Err(Error::CannotStart {
                why: CannotStart::NoPrimary,
            }),
            Some(StartProblem::Undecided(why)) => Err(Error::CannotStart {
                why: CannotStart::Undecided(why),
            }),
            Some(StartProblem::NobodyClaims) => Err(Error::CannotStart {
                why: self.nobody(config),
            }),
        }
    }

    /// The primary gives no connection. `waited`: until the time for it was over.
    pub(super) fn refused(
        &self,
        name: &str,
        config: &Config,
        waited: bool,
        source: DbErr,
    ) -> Error {
        let at = |one: &&Source| &*one.spec.name == name;
        let node = self.sources.iter().find(at).and_then(Source::config);
        Error::Start {
            node: name.to_owned(),
            address: node
                .map_or_else(String::new, |node| node.url.whole_address())
                .into(),
            limit: waited.then(|| config.setting("acquire_timeout").into()),
            source,
        }
    }

    /// Nobody is the primary, and what the nodes said that could not be asked. Where that are all of them, none is there
    /// to promote.
    fn nobody(&self, config: &Config) -> CannotStart {
        let answer = |one: &Source| {
            let answer = signal::told(&one.trouble.since(self.origin)?);
            Some(NodeAnswer::new(&one.spec.name, answer))
        };
        let answers: Vec<NodeAnswer> = self.sources.iter().filter_map(answer).collect();
        let limit = self.waits.then(|| config.setting("acquire_timeout"));
        match answers.len() == self.sources.len() {
            true => CannotStart::NobodyAnswers { limit, answers },
            false => CannotStart::NobodyClaims { limit, answers },
        }
    }
}
