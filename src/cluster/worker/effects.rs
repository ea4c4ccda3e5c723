//! What the reducer orders, carried out.

use std::sync::Arc;

use super::{Worker, tasks::open_beside};
use crate::{
    causality::Named,
    cluster::{catalog, log::Log, shared::Shared},
    error::Error,
    state::{Effect, Event, Notice},
    vocabulary::NodeId,
};

impl Worker {
    /// Carries the effects out in their order. What is returned is news of what they did, to be dispatched next.
    pub(super) async fn apply(&mut self, effects: Vec<Effect>) -> Vec<Event> {
        let mut follow_ups = Vec::new();
        let Some(shared) = self.shared.upgrade() else {
            return follow_ups;
        };
        for effect in effects {
            match effect {
                Effect::Probe { node, at } => self.probes.order(node, at),
                Effect::ReplacePool {
                    node,
                    generation,
                    cut,
                } => self.replace_pool(node, generation, cut, &shared),
                Effect::Warm { node, until } => self.warm(node, until, &shared),
                Effect::Watch { node } => self.watch(node),
                Effect::ClosePool { node } => self.forget(node, false),
                Effect::CutAndClose { node } => {
                    shared.concrete.cut(node, &shared);
                    self.forget(node, true);
                }
                Effect::Publish => self.publish(&shared).await,
                Effect::Replaced(changes) => self.answer(changes.ticket, Ok(changes)),
                Effect::ReplaceRefused { ticket, problem } => {
                    self.answer(
                        ticket,
                        Err(Error::Topology {
                            why: problem.into(),
                        }),
                    );
                }
                Effect::Sleep => self.close_for_sleep(&shared),
                Effect::OpenMissing { node } => {
                    let opening = self.nodes.retry(node, &shared.config);
                    open_beside(opening, &self.outbox);
                }
                Effect::Fill { node } => self.nodes.fill(node, &shared.config),
                Effect::StandBy { node } => follow_ups.extend(self.stand_by(node, &shared)),
                Effect::ReadCatalog { role, node } => {
                    let member = node.and_then(|node| self.nodes.member(node));
                    let node = member.map(|member| Arc::clone(&member.node));
                    catalog::read(node, role, &shared, &self.outbox);
                }
                Effect::HearWishes { at } => shared.judging.hear_wishes(at),
                Effect::Checked { ticket } => self.replies.note_checked(ticket),
                Effect::AskPosition => {
                    shared.clock.writes.captures().ask();
                }
                Effect::Accepted(named) => take_word(&shared, named),
                Effect::Obeyed { number } => shared.tracker.set_word(number),
                Effect::Notice(what) => self.tell(&what, &shared),
            }
        }
        follow_ups
    }

    fn replace_pool(&mut self, node: NodeId, generation: u64, cut: bool, shared: &Arc<Shared>) {
        if cut {
            shared.concrete.cut(node, shared);
        }
        let opening = self
            .nodes
            .replace_pool(node, generation, cut, &shared.config);
        open_beside(opening, &self.outbox);
        shared.concrete.renew(node, shared);
    }

    fn tell(&self, what: &Notice, shared: &Shared) {
        let (state, nodes) = (&self.state, &self.nodes);
        let metrics = &shared.telemetry.metrics;
        let log = Log {
            state,
            nodes,
            metrics,
        };
        log.note(what);
        let gone = |id| Some(nodes.member(id)?.node.name.to_string());
        let telemetry = &shared.telemetry;
        telemetry.last_switched.note(what, state, self.now());
        telemetry.events.tell(what, state, gone);
    }
}

/// An authority named the primary to this handle.
fn take_word(shared: &Shared, named: Named) {
    let heard = shared.tracker.word();
    let word = shared.clock.take_word(named, heard);
    shared.tracker.set_word(word);
}
