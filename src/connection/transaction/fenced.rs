//! Statements of a transaction on the replica's side of a test (feature `testing`).

use std::sync::Arc;

use sea_orm::{DbErr, Statement};

use super::RoutedTransaction;
use crate::node::fence::{Fence, TouchedRelations, text_of};

/// What the test's transaction had touched before a statement.
pub(super) struct Before {
    fence: Arc<Fence>,
    look: TouchedRelations,
    statement: String,
}

impl RoutedTransaction {
    /// Looks before a statement; nothing where nobody holds it to anything. In an aborted transaction nobody can look, and the
    /// statement says that itself.
    pub(super) async fn look(&self, stmt: &Statement) -> Option<Before> {
        let fence = self.held.lease().node().link.fence()?;
        let look = fence.look(&self.inner).await.ok().flatten()?;
        Some(Before {
            fence: Arc::clone(fence),
            look,
            statement: text_of(stmt),
        })
    }

    /// The statement's answer, unless it has read what the replica lacks.
    pub(super) async fn checked<T>(
        &self,
        before: Option<Before>,
        running: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let ran = running.await;
        let Some(before) = before else {
            return ran;
        };
        let Before {
            fence,
            look,
            statement,
        } = before;
        let done = ran.map_err(|err| fence.refused(err, || statement.clone()))?;
        if let Some(after) = fence.look(&self.inner).await? {
            fence.check(&look, &after, || statement)?;
        }
        Ok(done)
    }
}
