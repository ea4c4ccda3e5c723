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
}

/// A statement that waits for a node; its drop makes room for another.
pub(crate) struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.admission.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
