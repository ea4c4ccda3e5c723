//! What the worker does while it looks for a primary, or for one that is silent.

use std::sync::Arc;

use super::{Worker, tasks::open_beside};
use crate::{
    backend::MonitorConnection,
    cluster::{shared::Shared, whose::whose},
    metrics::NodeCounter,
    state::{Event, Moment},
    vocabulary::{NodeId, Role},
};

impl Worker {
    /// Where nobody could take over, asking changes nothing.
    pub(super) fn looks_for_stalls(&self) -> bool {
        let others = self.state.members().nth(1).is_some();
        others && self.state.tuning.failover && self.state.primaryship.epoch.is_some()
    }

    /// Lets the reducer know whether anybody waits for a primary.
    pub(super) async fn note_waiters(&mut self, shared: &Shared) {
        let primaryship = &self.state.primaryship;
        let wanted = primaryship.lost.is_some() && shared.admission.waiting() > 0;
        if wanted != primaryship.wanted {
            self.dispatch(Event::Wanted(wanted)).await;
        }
    }

    /// A replica that may become the primary has a connection ready that may write.
    pub(super) async fn stand_by(&mut self, id: NodeId, shared: &Arc<Shared>) {
        if !self.looks_for_stalls() {
            return;
        }
        if let Some(node) = self
            .state
            .node(id)
            .filter(|node| node.role == Role::Replica)
        {
            let spec = node.spec.clone();
            let (new, opening) = self.nodes.stand_by(id, &spec, &shared.config);
            open_beside(opening, &self.outbox);
            if new {
                self.publish(shared).await;
            }
        }
    }

    /// A probe has ended.
    pub(super) async fn probed(
        &mut self,
        shared: &Arc<Shared>,
        id: NodeId,
        event: Event,
        wire: MonitorConnection,
    ) {
        self.probes.ended(id, wire);
        if let Event::ProbeFailed { signal, .. } = event
            && signal.concerns_node()
            && let Some(member) = self.nodes.member(id)
        {
            member.metrics.count(NodeCounter::ConnectionError);
        }
        let (answers, begun) = match event {
            Event::ProbeOk { begun, .. } => (true, begun),
            Event::ProbeFailed { begun, .. } => (false, begun),
            _ => (false, Moment::default()),
        };
        let moved = match &event {
            Event::ProbeOk { facts, .. } => self.nodes.probed(id, facts),
            _ => false,
        };
        self.dispatch(event).await;
        self.note_whose(shared);
        if moved {
            self.moved(id).await;
        }
        if answers {
            if let Some(opening) = self.nodes.retry(id, &shared.config) {
                open_beside(opening, &self.outbox);
                self.publish(shared).await;
            }
            self.nodes.fill(id, &shared.config);
            self.stand_by(id, shared).await;
        }
        if let Some(node) = self.state.node(id) {
            let behind = self.state.bytes_behind(node);
            self.nodes.set_lag(id, node.fresh, behind);
        }
        self.answer_checks(id, begun);
        if self.catalog.is_provisional() && self.primary_was_seen() {
            self.catalog.read(shared, &self.outbox);
        }
    }

    /// Handles to one cluster share what they write, once they know that it is one.
    fn note_whose(&mut self, shared: &Shared) {
        let whose = whose(&self.state, &shared.config);
        if whose != self.whose {
            shared.clock.learn_whose(&whose);
            self.whose = whose;
        }
    }

    /// The name of a node leads to another server than before: what is open to it is given up.
    pub(super) async fn moved(&mut self, id: NodeId) {
        let Some(node) = self.state.node(id) else {
            return;
        };
        tracing::warn!(
            node = &*node.spec.name,
            "connections to this node lead to another server than before: it was started again, its name has moved, or \
             several servers answer under it; what was open to it is opened anew"
        );
        self.probes.renew(id);
        self.dispatch(Event::Moved { node: id }).await;
    }

    pub(super) fn answer_checks(&mut self, id: NodeId, begun: Moment) {
        let checks = std::mem::take(&mut self.checks);
        let (done, open): (Vec<_>, Vec<_>) = checks
            .into_iter()
            .partition(|(node, asked, _)| *node == id && begun >= *asked);
        self.checks = open;
        for (_, _, answer) in done {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(());
        }
        // A probe that was on its way when they asked: another one.
        if let Some((node, ..)) = self.checks.iter().find(|(node, ..)| *node == id) {
            self.probes.order(*node, self.now());
        }
    }
}
