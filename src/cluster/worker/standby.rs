//! What the worker does while it looks for a primary, or for one that is silent.

use std::sync::Arc;

use super::{Worker, tasks::open_beside};
use crate::{
    backend::MonitorConnection,
    cluster::{shared::Shared, whose::whose},
    metrics::NodeCounter,
    state::{Event, PoolNews},
    vocabulary::NodeId,
};

impl Worker {
    /// Lets the reducer know whether anybody waits.
    pub(super) async fn note_waiters(&mut self, shared: &Shared) {
        let waits = shared.admission.waiting() > 0;
        if waits != self.state.primaryship.has_waiters {
            self.dispatch(Event::Waiters(waits)).await;
        }
        if waits {
            self.wake(shared);
        }
    }

    /// Keeps a connection ready that may write; where its pool is new, the picture has to show it.
    pub(super) fn stand_by(&mut self, id: NodeId, shared: &Shared) -> Option<Event> {
        let node = self.state.node(id)?;
        let (new, opening) = self.nodes.stand_by(id, &node.spec, &shared.config);
        let generation = node.generation;
        open_beside(opening, &self.outbox);
        new.then_some(Event::Pool {
            node: id,
            generation,
            news: PoolNews::Opened,
        })
    }

    /// A probe has ended.
    pub(super) async fn probed(
        &mut self,
        shared: &Arc<Shared>,
        id: NodeId,
        mut event: Event,
        wire: MonitorConnection,
    ) {
        self.probes.ended(id, wire);
        match &mut event {
            Event::ProbeOk { facts, .. } => {
                facts.moved = self.nodes.probed(id, facts);
                if let Some(member) = self.nodes.member(id) {
                    facts.several = member.node.replayed.is_mixed();
                    facts.furthest = member.node.replayed.furthest();
                }
            }
            Event::ProbeFailed { signal, .. } if signal.concerns_node() => {
                if let Some(member) = self.nodes.member(id) {
                    member.metrics.count(NodeCounter::ConnectionError);
                }
            }
            _ => {}
        }
        self.dispatch(event).await;
        self.note_whose(shared);
        shared
            .least_position
            .set(self.state.least_position(self.now()));
        if let Some(node) = self.state.node(id) {
            let behind = self.state.bytes_behind(node);
            self.nodes.set_lag(id, node.replay.current_at, behind);
        }
    }

    /// Handles to one cluster share what they write, once they know that it is one.
    pub(super) fn note_whose(&mut self, shared: &Shared) {
        let whose = whose(&self.state, &shared.config);
        if whose != self.whose {
            shared.clock.learn_whose(&whose);
            self.whose = whose;
        }
    }
}
