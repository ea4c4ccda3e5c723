//! A write whose caller has gone before the answer came: it is not taken back by that (rule C1).

use std::sync::Arc;

use super::{Place, PooledConnection, Seat};
use crate::causality::losses::Orphan;

/// Keeps its session on the primary until the connection is ready again, however long that takes; where that cannot be
/// waited for, the write counts as lost.
pub(super) fn until_ready(
    orphan: Orphan,
    mut conn: PooledConnection,
    place: Option<Place>,
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
            false => conn.cut(),
        }
        drop(place);
    });
}

/// Of what changed nothing only the connection is left, which is somebody's place for as long as its server is at it.
pub(super) fn give_back(mut conn: PooledConnection, place: Option<Place>) {
    let (Some(place), Ok(runtime)) = (place, tokio::runtime::Handle::try_current()) else {
        return;
    };
    runtime.spawn(async move {
        // The pool finds out by itself whether the connection is of any use.
        let _ = conn.ready().await;
        drop((conn, place));
    });
}
