//! A write whose caller has gone before the answer came: it is not taken back by that (rule C1).

use std::sync::Arc;

use futures_util::FutureExt;

use super::{Permit, PooledConnection, Seat, local::Beginning};
use crate::causality::unresolved::Orphan;

/// What a caller who has gone left on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// A statement, whose answer nobody waits for.
    Statement,
    /// A transaction of the statement's own; the driver has its ROLLBACK ready.
    Transaction,
    /// A BEGIN, of which the driver does not know yet.
    Begin,
}

impl Left {
    /// By a statement; `beginning`: it has a transaction of its own.
    pub(super) fn of(beginning: Option<&Beginning>) -> Self {
        match beginning {
            None => Self::Statement,
            Some(beginning) if beginning.is_under_way() => Self::Begin,
            Some(_) => Self::Transaction,
        }
    }
}

/// Keeps its session on the primary until the connection is ready again, however long that takes; where that cannot be
/// waited for, the write is unresolved.
pub(super) fn until_ready(
    orphan: Orphan,
    mut conn: PooledConnection,
    left: Left,
    permit: Option<Permit>,
    seat: Arc<Seat>,
) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return unsettled(conn, left);
    };
    // A runtime that ends meanwhile drops the task, and the orphan with it.
    runtime.spawn(
        async move {
            let ready = tokio::select! {
                ready = conn.settle(left) => ready,
                () = seat.until_cut() => false,
            };
            match ready {
                true => orphan.mark_returned(),
                false => conn.discard(),
            }
            drop(permit);
        }
        .boxed(),
    );
}

/// Of what changed nothing only the connection is left, and the permit is held for as long as its server is at it.
pub(super) fn give_back(mut conn: PooledConnection, left: Left, permit: Option<Permit>) {
    let settles = permit.is_some() || left != Left::Statement;
    let (true, Ok(runtime)) = (settles, tokio::runtime::Handle::try_current()) else {
        return unsettled(conn, left);
    };
    runtime.spawn(
        async move {
            let ready = conn.settle(left).await;
            match left {
                // The pool finds out by itself whether the connection is of any use.
                Left::Statement => drop(conn),
                Left::Transaction | Left::Begin if ready => drop(conn),
                Left::Transaction | Left::Begin => conn.discard(),
            }
            drop(permit);
        }
        .boxed(),
    );
}

/// Nobody can wait for it: the pool does, but it ends no transaction.
fn unsettled(conn: PooledConnection, left: Left) {
    if left != Left::Statement {
        conn.discard();
    }
}
