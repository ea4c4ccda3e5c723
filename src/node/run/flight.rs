//! A connection in flight: what becomes of it, and of what runs on it, when its caller goes away.

use std::{sync::Arc, time::Duration};

use crate::{
    causality::OpenWrite,
    node::{
        Permit, PooledConnection, Seat,
        abandoned::{self, Left},
        local::Beginning,
    },
};

/// How long a connection is waited for that may have ended with an error.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// A connection with a statement on it. Dropped before the answer, a write stays open until its connection is ready
/// again; where that cannot be waited for, it is unresolved. A read keeps its permit until then: its server is at it
/// still, and nobody else would find the connection.
pub(super) struct Flight<'a> {
    /// Whether the statement runs in a transaction that a pooler's connection is kept by.
    pub(super) block: bool,
    pub(super) conn: Option<PooledConnection>,
    pub(super) permit: Option<Permit>,
    pub(super) open: Option<&'a OpenWrite>,
    pub(super) seat: &'a Arc<Seat>,
    /// The statement has a transaction of its own, which has to be ended.
    pub(super) beginning: Option<&'a Beginning>,
}

impl Flight<'_> {
    /// Ends the transaction that a statement which failed had begun; a connection that does not is thrown away.
    pub(super) async fn settle(&mut self) {
        let Some(own) = &mut self.conn else {
            return;
        };
        let ended = tokio::time::timeout(LOOK, own.settle(Left::of(self.beginning)));
        if ended.await != Ok(true)
            && let Some(own) = self.conn.take()
        {
            own.discard();
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else {
            return;
        };
        let permit = self.permit.take();
        if self.block {
            // It is in the middle of a transaction, which ends with its connection.
            drop(self.open.and_then(OpenWrite::abandon));
            return conn.discard();
        }
        let left = Left::of(self.beginning);
        match self.open.and_then(OpenWrite::abandon) {
            Some(orphan) => {
                abandoned::until_ready(orphan, conn, left, permit, Arc::clone(self.seat));
            }
            None => abandoned::give_back(conn, left, permit),
        }
    }
}
