//! What the worker lets others see: the next snapshot.

use std::sync::Arc;

use super::{Worker, tasks::open_beside};
use crate::{
    cluster::{inbox::StatementNews, shared::Shared},
    metrics::ClusterCounter,
    snapshot::Snapshot,
    state::View,
    vocabulary::Role,
};

impl Worker {
    pub(super) async fn publish(&mut self, shared: &Arc<Shared>) {
        // Before the picture shows a node whose position says nothing.
        if !self.state.has_positions() && shared.tracker.mark_untold() {
            tracing::warn!(
                "positions prove nothing of what replicas have any more, since one reads from other servers than its own or is \
                 of a system that tells none: what wrote reads on the primary, or for SEALANE_PIN"
            );
        }
        let view = View::new(&self.state);
        // What sleeps is given no pool, and nobody follows it.
        let members = self.state.members().filter(|_| !self.state.sleeping.asleep);
        for node in members {
            let opening = self
                .nodes
                .make_ready(node.id, &node.spec, node.role, &shared.config);
            open_beside(opening, &self.outbox);
            self.nodes.rename(node.id, &node.spec.name);
            self.nodes.set_role(node.id, node.role);
        }
        for (node, pool) in self.nodes.expect(&self.state) {
            shared.tell(StatementNews::Moved(node, pool));
        }
        let sides = self.nodes.sides(&view);
        let snapshot = Snapshot::new(view, sides);
        let may_reign = |id| {
            let node = self.state.node(id);
            node.is_some_and(|node| matches!(node.role, Role::Primary | Role::Unknown))
        };
        shared.concrete.keep(may_reign, shared);
        shared.count(ClusterCounter::SnapshotChange);
        let version = snapshot.view.version;
        shared.snapshot.store(snapshot);
        // One that was asked for meanwhile may be of the primary before.
        shared.concrete.keep(may_reign, shared);
        self.believe_positions(shared);
        self.nodes.wake();
        shared.snapshot.announce(version);
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        if !self.state.sleeping.asleep {
            crate::positions::follow_all(&shared.tracker);
        }
    }

    /// Lets reads look at positions again where what spoke against them is gone: a node that proves nothing is fenced now,
    /// has left, or proves something. Only then: a primary that refuses to tell its position refuses still.
    fn believe_positions(&mut self, shared: &Arc<Shared>) {
        if self.state.sleeping.asleep {
            // All was forgotten, also what speaks against them.
            return;
        }
        let proves = self.state.has_positions();
        if shared.tracker.proves_again(proves) && shared.tracker.mark_told() {
            tracing::info!(
                "positions prove what replicas have: what wrote reads on those that have it"
            );
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            crate::positions::keep_known(&shared.tracker);
        }
    }
}
