//! What the worker lets others see: the next snapshot, and the counters.

use std::{sync::Arc, time::Instant};

use super::{Message, PUBLISH_EVERY, Worker, tasks::open_beside};
use crate::{
    cluster::{publish, shared::Shared},
    metrics::ClusterCounter,
    snapshot::Snapshot,
    state::View,
    vocabulary::Role,
};

impl Worker {
    pub(super) fn publish_metrics(&mut self, shared: &Shared) {
        self.publisher
            .publish(|| publish::sums(shared, &self.state));
        let requests = publish::requests(shared);
        shared.credit_retries(requests.saturating_sub(self.credited));
        self.credited = requests;
        self.publish_at = Instant::now() + PUBLISH_EVERY;
    }

    pub(super) async fn publish(&mut self, shared: &Arc<Shared>) {
        let view = View::new(&self.state);
        for node in self.state.members() {
            let opening = self
                .nodes
                .make_ready(node.id, &node.spec, node.role, &shared.config);
            open_beside(opening, &self.outbox);
            self.nodes.rename(node.id, &node.spec.name);
            self.nodes.set_role(node.id, node.role);
        }
        for (node, pool) in self.nodes.expect(&self.state) {
            shared.tell(Message::Moved(node, pool));
        }
        let (members, beside) = (self.nodes.members(&view), self.nodes.beside(&view));
        let snapshot = Snapshot::new(view, members).beside(beside);
        let primary = snapshot.primary().map(|primary| primary.node.id);
        let before = shared.primary_node().map(|node| node.id);
        let may_reign = |id| {
            let node = self.state.node(id);
            node.is_some_and(|node| matches!(node.role, Role::Primary | Role::Unknown))
        };
        shared.concrete.keep(may_reign, shared);
        shared.metrics.count(ClusterCounter::SnapshotChange);
        let version = snapshot.view.version;
        shared.snapshot.store(Arc::new(snapshot));
        // One that was asked for meanwhile may be of the primary before.
        shared.concrete.keep(may_reign, shared);
        self.nodes.wake();
        shared.changed.send_replace(version);
        if primary.is_some() && primary != before {
            // The new one's epoch is what positions are held against from now on.
            shared.clock.ask();
        }
        #[cfg(feature = "postgres")]
        crate::cluster::positions::follow_all(shared);
    }
}
