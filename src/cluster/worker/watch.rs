//! What the worker does while it looks for a primary, or for one that is silent.

use std::sync::Arc;

use super::{Worker, tasks::open_beside};
use crate::{
    cluster::shared::Shared,
    state::{Event, Moment},
    words::{NodeId, Role},
};

impl Worker {
    /// Where nobody could take over, asking changes nothing.
    pub(super) fn looks_for_stalls(&self) -> bool {
        let others = self.state.members().nth(1).is_some();
        others && self.state.tuning.failover && self.state.reign.epoch.is_some()
    }

    /// Lets the reducer know whether anybody waits for a primary.
    pub(super) async fn note_waiters(&mut self, shared: &Shared) {
        let reign = &self.state.reign;
        let wanted = reign.lost.is_some() && shared.waiting() > 0;
        if wanted != reign.wanted {
            self.feed(Event::Wanted(wanted)).await;
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
