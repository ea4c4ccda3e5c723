//! What servers told of the caller's template: the same for every node, and asked once.

use std::sync::{Arc, OnceLock};

/// Whose the pool's one slot for new connections is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nobody's but SeaORM's own, for this search path.
    Free(Option<String>),
    /// The caller's.
    Taken,
}

/// What servers told of the caller's template, shared by all nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found(Arc<OnceLock<Slot>>);

impl Found {
    pub(crate) fn set(&self, slot: Slot) {
        // The first answer counts: all are of one template.
        let _ = self.0.set(slot);
    }

    /// Nothing while nobody has answered.
    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.0.get()
    }
}
