//! Statements that wait for a node, counted so that whoever sheds load knows how many there are.

use std::sync::{Arc, atomic::Ordering};

use super::{inbox::StatementNews, shared::Shared};
use crate::metrics::ClusterCounter;

impl Shared {
    /// Counts one that waits for a node, until it is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.count(ClusterCounter::Wait);
        if self.admission.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            // Somebody has to look for a primary now, if there is none.
            self.tell(StatementNews::Waits);
        }
        Waiting(Arc::clone(self))
    }

    /// Wakes a cluster that sleeps, and waits as a write does until it has a primary; for what asks the snapshot once.
    pub(crate) async fn until_awake(self: &Arc<Self>) {
        // A handle that was closed asleep wakes no more.
        if !self.snapshot.is_asleep() || self.is_closed() {
            return;
        }
        let _waiting = self.wait();
        let mut changed = self.snapshot.subscribe();
        let awake =
            changed.wait_for(|_| self.snapshot.primary_node().is_some() || self.is_closed());
        // Without one, whoever asks says so.
        let _ = tokio::time::timeout(self.config.failover_timeout, awake).await;
    }
}

/// A statement that waits for a node; its drop makes room for another.
pub(crate) struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.admission.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
