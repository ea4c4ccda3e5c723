//! A write whose caller has gone before the answer came: it is not taken back by that (rule C1).

use std::sync::Arc;

use super::{Permit, PooledConnection, Seat};
use crate::causality::unresolved::Orphan;

/// Keeps its session on the primary until the connection is ready again, however long that takes; where that cannot be
/// waited for, the write is unresolved.
pub(super) fn until_ready(
    orphan: Orphan,
    mut conn: PooledConnection,
    permit: Option<Permit>,
    seat: Arc<Seat>,
) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    // A runtime that ends meanwhile drops the task, and the orphan with it.
    runtime.spawn(async move {
        let ready = tokio::select! {
            ready = conn.ready() => ready,
            () = seat.until_cut() => false,
        };
        match ready {
            true => orphan.mark_returned(),
            false => conn.discard(),
        }
        drop(permit);
    });
}

/// Of what changed nothing only the connection is left, and the permit is held for as long as its server is at it.
pub(super) fn give_back(mut conn: PooledConnection, permit: Option<Permit>) {
    let (Some(permit), Ok(runtime)) = (permit, tokio::runtime::Handle::try_current()) else {
        return;
    };
    runtime.spawn(async move {
        // The pool finds out by itself whether the connection is of any use.
        let _ = conn.ready().await;
        drop((conn, permit));
    });
}
