//! Servers that come up after their application (compose, Kubernetes): a start waits for them as SeaORM's does.

use std::time::{Duration, Instant};

use super::{Starting, settings::tuning};
use crate::{
    cluster::nodes::unanswered,
    config::Config,
    error::Error,
    signal::{self, Signal},
    state::{Moment, StartProblem, State},
};

/// The first pause between two rounds of questions, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

impl Starting {
    /// Asks the nodes until one of them is the primary, for as long as SeaORM's connect would wait for a connection. What
    /// only somebody else can put right (a wrong password, a database that is not there) ends the start at once.
    ///
    /// With `connect_lazy` every node is asked once, and statements wait for what has not answered.
    pub(super) async fn find(
        &mut self,
        config: &Config,
        leader: Option<&str>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let (mut pause, longest) = PAUSES;
        loop {
            self.nominate(leader);
            self.probe(config).await;
            let Some(problem) = self.state.start_problem(config.start_without_primary) else {
                return self.check(config);
            };
            let left = config.acquire_timeout.saturating_sub(begun.elapsed());
            match self.may_pass(&problem) {
                true if config.is_lazy() => return Ok(()),
                true if !left.is_zero() => {}
                true => {
                    // Also where the first round took as long as all of them may.
                    self.waits = true;
                    return self.check(config);
                }
                false => return self.check(config),
            }
            if !self.waits {
                self.waits = true;
                let said = self.primary_error.as_ref().map(signal::told);
                tracing::warn!(
                    error = said.map(tracing::field::display),
                    "no primary answers yet: waiting for one within {}; {problem}",
                    config.setting("acquire_timeout")
                );
            }
            if self.nobody_answered_in_time() {
                // What takes longer than one attempt may is begun anew each time, and never there.
                self.attempt = (self.attempt * 2).min(config.acquire_timeout);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = longest.min(pause * 2);
            self.forget(config)?;
        }
    }

    /// Whether every node that was asked exceeded the time of an attempt: this process may be the one that is late.
    fn nobody_answered_in_time(&self) -> bool {
        self.sources.iter().all(|one| {
            let trouble = one.trouble.since(self.origin);
            trouble.is_some_and(|err| unanswered(&err) == Signal::TimedOut)
        })
    }

    fn may_pass(&self, problem: &StartProblem) -> bool {
        match problem {
            StartProblem::PrimaryUnreachable { .. } => {
                self.primary_error.as_ref().is_none_or(signal::may_pass)
            }
            // One that answered says more than one that did not: it may be promoted yet.
            StartProblem::NobodyClaims => self.sources.iter().any(|one| {
                let trouble = one.trouble.since(self.origin);
                trouble.is_none_or(|err| signal::may_pass(&err))
            }),
            StartProblem::NoPrimary
            | StartProblem::PrimaryInRecovery { .. }
            | StartProblem::Undecided(_) => false,
        }
    }

    /// Forgets what the nodes said, so that each is asked again without a back-off. They keep their numbers and pools. A name
    /// may lead to another server by then. What is being opened goes on: begun anew, it would never be there where a login takes
    /// longer than an attempt may.
    fn forget(&mut self, config: &Config) -> Result<(), Error> {
        self.wires.retain(|_, wire| wire.is_opening());
        let specs = self.sources.iter().map(|source| source.spec.clone());
        let now = Moment(self.origin.elapsed());
        let begun = State::start(tuning(config), specs.collect(), now);
        (self.state, self.effects) = begun.map_err(|problem| Error::CannotStart {
            why: problem.into(),
        })?;
        Ok(())
    }
}
