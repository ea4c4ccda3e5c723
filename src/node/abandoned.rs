//! A write whose caller has gone before the answer came: it is not taken back by that (rule C1).

use super::{Leased, Place};
use crate::session::{Abandoned, UNKNOWN_HOLD};

/// Keeps its session on the primary until the connection is ready again; where that cannot be waited for, the write
/// counts as lost.
pub(super) fn until_ready(mut abandoned: Abandoned, mut conn: Leased, place: Option<Place>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        abandoned.is_lost();
        return;
    };
    // A runtime that ends meanwhile drops the task.
    abandoned.is_lost();
    runtime.spawn(async move {
        let ready = tokio::time::timeout(UNKNOWN_HOLD, conn.ready()).await;
        match ready {
            Ok(true) => abandoned.has_returned(),
            _ => conn.cut(),
        }
        drop(place);
    });
}

/// Of what changed nothing only the connection is left, which is somebody's place for as long as its server is at it.
pub(super) fn give_back(mut conn: Leased, place: Option<Place>) {
    let (Some(place), Ok(runtime)) = (place, tokio::runtime::Handle::try_current()) else {
        return;
    };
    runtime.spawn(async move {
        // The pool finds out by itself whether the connection is of any use.
        let _ = conn.ready().await;
        drop((conn, place));
    });
}
