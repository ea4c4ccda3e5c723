//! A pool that is being opened beside, and what became of it.

use std::{pin::Pin, time::Duration};

use sea_orm::DbErr;

use crate::{node::NodePool, vocabulary::NodeId};

/// What is kept for a pool that is being opened.
pub(super) struct PoolSlot {
    pub(super) id: NodeId,
    pub(super) writes: bool,
    pub(super) generation: u64,
    /// How long a statement waits for it.
    pub(super) limit: Duration,
}

/// A pool that is being opened.
pub(in crate::cluster) struct PoolOpening {
    pub(super) slot: PoolSlot,
    pub(super) pool: Pin<Box<dyn Future<Output = Result<NodePool, DbErr>> + Send>>,
}

impl PoolOpening {
    pub(in crate::cluster) async fn end(self) -> Opened {
        Opened {
            slot: self.slot,
            pool: self.pool.await,
        }
    }
}

/// A pool that has been opened, or could not be.
pub(crate) struct Opened {
    pub(super) slot: PoolSlot,
    pub(super) pool: Result<NodePool, DbErr>,
}
