//! The questions of a start: every node is asked what it is, until what was heard needs no second answer.

use std::{sync::Arc, time::Duration};

use super::Starting;
use crate::{
    backend,
    cluster::nodes::{said, unanswered},
    config::Config,
    signal,
    state::{Effect, Event, Moment, NodeState, Notice, reduce::reduce},
    vocabulary::Role,
};

/// How often every node is asked at the start, at the most.
const ROUNDS: usize = 8;

/// How long a replica is given to replay what the primary had written.
const REPLAY: Duration = Duration::from_millis(5);

impl Starting {
    /// Asks every node once, all at the same time, and each within its own time-out.
    ///
    /// A new primaryship has to be confirmed by the others, and a replica's lag is told by an answer that comes after
    /// the primary's: both take a second round.
    pub(super) async fn probe(&mut self, config: &Config) {
        for _ in 0..ROUNDS {
            self.probe_once(config).await;
            let late = |node: &NodeState| {
                (node.replay.lagging && node.replay.current_at.is_none())
                    || node.replay.unjudged.is_some()
            };
            match (self.state.is_confirming(), self.state.members().any(late)) {
                (true, _) => {}
                (false, true) => tokio::time::sleep(REPLAY).await,
                (false, false) => break,
            }
        }
        // The line at the start says how each replica stands, and the start asks for a position by itself. Standing
        // writers are for later: a start opens no connection that no statement needs.
        self.effects.retain(|effect| {
            !matches!(
                effect,
                Effect::Notice(Notice::LeftRotation { .. } | Notice::JoinedRotation { .. })
                    | Effect::AskPosition
                    | Effect::StandBy { .. }
            )
        });
        // It was only looked for.
        if self.state.primaryship.primary.is_some() {
            let search = |effect: &Effect| {
                matches!(
                    effect,
                    Effect::Notice(
                        Notice::NoPrimary
                            | Notice::PrimaryIs { .. }
                            | Notice::PrimaryInRecovery { .. }
                    )
                )
            };
            self.effects.retain(|effect| !search(effect));
        }
    }

    async fn probe_once(&mut self, config: &Config) {
        let begun = Moment(self.origin.elapsed());
        let attempt = self.attempt;
        let asked = |node: &&NodeState| !node.is_ejected();
        let asking = self.state.members().filter(asked).filter_map(|node| {
            let source = self
                .sources
                .iter()
                .find(|source| source.spec.same_pool(&node.spec))?;
            let asked = source.config()?;
            let (id, role, name) = (node.id, node.spec.role, Arc::clone(&node.spec.name));
            let trouble = Arc::clone(&source.trouble);
            // What is opened in the first round serves the others.
            let mut wire = self.wires.remove(&id).unwrap_or_default();
            Some(async move {
                let answer = backend::meet(config, asked, &mut wire, attempt).await;
                ((id, name, trouble), role, (answer, wire))
            })
        });
        let asking: Vec<_> = asking.collect();
        let answers = futures_util::future::join_all(asking).await;
        let mut rng = fastrand::Rng::new();
        for ((node, name, trouble), role, (answer, wire)) in answers {
            if answer.is_ok() || wire.is_opening() {
                self.wires.insert(node, wire);
            }
            let event = match answer {
                Ok(facts) => {
                    trouble.settled();
                    Event::ProbeOk {
                        node,
                        begun,
                        rtt: facts.round_trip,
                        facts: said(&facts),
                    }
                }
                Err(err) => {
                    trouble.failed(&err);
                    let signal = unanswered(&err);
                    if role == Role::Primary {
                        self.primary_error = Some(err);
                    } else if !self.waits {
                        tracing::warn!(
                            node = &*name,
                            error = %signal::told(&err),
                            "this replica gives no connection yet: it is tried again in the background"
                        );
                    }
                    Event::ProbeFailed {
                        node,
                        begun,
                        signal,
                    }
                }
            };
            let now = Moment(self.origin.elapsed());
            self.effects
                .extend(reduce(&mut self.state, event, now, &mut rng));
        }
    }
}
