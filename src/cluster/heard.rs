//! What the cluster makes of what servers say of themselves, on whichever connection.

use std::sync::Arc;

use super::{inbox::StatementNews, shared::Shared};
use crate::{
    backend::advice,
    causality::{Replayed, Several},
    metrics::NodeCounter,
    node::Node,
    positions::tracker::ClusterAccess,
    vocabulary::NodeId,
};

impl ClusterAccess for Shared {
    fn is_closed(&self) -> bool {
        Shared::is_closed(self)
    }

    fn on_several(&self, id: NodeId, pool: &Arc<Replayed>, several: Several) {
        let _span = self.worker.span.enter();
        match several {
            Several::NoNews => {}
            Several::Restarted => self.tell(StatementNews::Moved(id, Arc::clone(pool))),
            Several::Found => self.met_several(id, pool),
        }
    }

    fn ask_everyone(&self) {
        self.tell(StatementNews::AskAll);
    }
}

impl Shared {
    /// A pool's connections lead to two servers. The name has moved, and then opening all of them anew makes them lead to
    /// one; or that is how it is under this name.
    fn met_several(&self, id: NodeId, pool: &Arc<Replayed>) {
        let several = self.node_of(id).is_some_and(|node| {
            node.link
                .guide()
                .is_some_and(|guide| guide.door.met_another())
        });
        if !several {
            self.tell(StatementNews::Moved(id, Arc::clone(pool)));
            return;
        }
        tracing::warn!(
            node = self.name_of(id),
            "several servers answer under this node's address: what one has replayed proves nothing for another, so a connection \
             is asked before a read that has to see a write, unless its server is known to have it; give each server an \
             address of its own"
        );
    }

    fn node_of(&self, id: NodeId) -> Option<Arc<Node>> {
        let snapshot = self.snapshot.load();
        let mut nodes = snapshot.nodes();
        let node = nodes.find(|node| node.seen.id == id);
        node.map(|node| Arc::clone(&node.member.node))
    }

    fn name_of(&self, id: NodeId) -> String {
        self.node_of(id)
            .map_or_else(String::new, |node| node.name.to_string())
    }

    /// A connection of this replica lacks the read-only default (rule I7). Said of the first, and counted each time.
    pub(crate) fn lacks_read_only_default(&self, id: NodeId, first: bool) {
        let _span = self.worker.span.enter();
        let snapshot = self.snapshot.load();
        let Some(node) = snapshot.nodes().find(|node| node.seen.id == id) else {
            return;
        };
        node.member.metrics.count(NodeCounter::NoReadOnlyDefault);
        if first {
            tracing::warn!(
                node = &*node.seen.name,
                "connections to this replica lack the read-only default, so only the judging of statements keeps writes away \
                 from it: {}",
                advice(self.backend).read_only_default
            );
        }
    }

    /// A server reads strings in another way than the judge does.
    pub(crate) fn strange_strings(&self, id: NodeId) {
        let _span = self.worker.span.enter();
        if self.judging.distrust_strings() {
            tracing::warn!(node = self.name_of(id), "{}", advice(self.backend).strings);
        }
    }
}
