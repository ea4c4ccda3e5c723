//! What the reducer orders, carried out.

use super::{Worker, tasks::open_beside};
use crate::{cluster::log, error::Error, state::Effect};

impl Worker {
    /// Carries the effects out in their order.
    pub(super) async fn apply(&mut self, effects: Vec<Effect>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        for effect in effects {
            match effect {
                Effect::Probe { node, at } => self.probes.order(node, at),
                Effect::ReplacePool {
                    node,
                    generation,
                    hard,
                } => {
                    if hard {
                        shared.concrete.cut(node, &shared);
                    }
                    let opening = self
                        .nodes
                        .replace_pool(node, generation, hard, &shared.config);
                    open_beside(opening, &self.outbox);
                    shared.concrete.renew(node, &shared);
                }
                Effect::Warm { node, until } => self.warm(node, until, &shared),
                Effect::Watch { node } => self.watch(node),
                Effect::ClosePool { node } => self.forget(node, false),
                Effect::CloseHard { node } => {
                    shared.concrete.cut(node, &shared);
                    self.forget(node, true);
                }
                Effect::Publish => self.publish(&shared).await,
                Effect::Replaced(changes) => self.answer(changes.ticket, Ok(changes)),
                Effect::ReplaceRefused { ticket, problem } => {
                    self.answer(
                        ticket,
                        Err(Error::Topology {
                            why: problem.to_string(),
                        }),
                    );
                }
                Effect::AskPosition => {
                    shared.clock.ask();
                }
                Effect::Accepted(named) => Self::take_word(&shared, named),
                Effect::Notice(what) => {
                    log::tell(&what, &self.state, &self.nodes, &shared.telemetry.metrics);
                    shared
                        .telemetry
                        .events
                        .tell(&what, &self.state, &self.nodes);
                }
            }
        }
    }
}
