//! A write whose caller has gone before the answer came: it is not taken back by that (rule C1).

use super::Leased;
use crate::session::{Abandoned, UNKNOWN_HOLD};

/// Keeps its session on the primary until the connection is ready again; where that cannot be waited for, the write
/// counts as lost.
pub(super) fn until_ready(mut abandoned: Abandoned, mut conn: Leased) {
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
    });
}
