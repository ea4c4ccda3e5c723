//! The rows of a stream, and the write that they may be.
//!
//! An `INSERT … RETURNING` whose stream is dropped half read goes on at its server, so it stays open until the server
//! has answered to the end (rule C1): what is left is read by a task.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{FutureExt, Stream, StreamExt};
use sea_orm::{DbErr, QueryResult};

use crate::{
    causality::OpenWrite,
    node::{Lease, Permit, UntilCut},
    signal,
    vocabulary::Role,
};

type Row = Result<QueryResult, DbErr>;
type Owned = Pin<Box<dyn Stream<Item = Row> + Send + 'static>>;

enum RowSource<'a> {
    /// On a connection of their own.
    Owned(Owned),
    /// On a transaction's.
    Borrowed(Pin<Box<dyn Stream<Item = Row> + Send + 'a>>),
}

/// The rows of a stream, and the write that they may be.
pub(super) struct Rows<'a> {
    source: Option<RowSource<'a>>,
    write: Option<OpenWrite>,
    /// In the pool of the connection that they own.
    permit: Option<Permit>,
    /// Tells when the node of a write is cut off.
    cut: Option<UntilCut>,
}

impl<'a> Rows<'a> {
    pub(super) fn owned(
        rows: impl Stream<Item = Row> + Send + 'static,
        write: Option<OpenWrite>,
    ) -> Self {
        Self {
            source: Some(RowSource::Owned(Box::pin(rows))),
            write,
            permit: None,
            cut: None,
        }
    }

    pub(super) fn borrowed(rows: impl Stream<Item = Row> + Send + 'a) -> Self {
        Self {
            source: Some(RowSource::Borrowed(Box::pin(rows))),
            write: None,
            permit: None,
            cut: None,
        }
    }

    /// A write that they are goes on no longer than this node is one to be waited for.
    pub(super) fn of(&mut self, lease: &Lease) {
        if self.write.is_some() {
            self.cut = Some(lease.until_cut());
        }
    }

    /// The server has answered to the end: a write that they are has returned.
    pub(super) fn end(mut self) {
        self.source = None;
    }

    /// The connection is gone before the end.
    pub(super) fn lose(mut self) {
        self.source = None;
        if let Some(write) = &mut self.write {
            write.set_unresolved(true);
        }
    }

    /// Holds their permit for them.
    pub(super) fn keep(&mut self, permit: Option<Permit>) {
        self.permit = permit;
    }

    /// Gives their turn to the next statement: from the first row on they may take as long as their reader likes.
    pub(super) fn give_turn(&mut self) {
        self.permit = self.permit.take().map(Permit::without_turn);
    }

    /// The write that they are, when it is to go on without them.
    pub(super) fn write(&mut self) -> Option<OpenWrite> {
        self.write.take()
    }
}

impl Stream for Rows<'_> {
    type Item = Row;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Row>> {
        match &mut self.get_mut().source {
            Some(RowSource::Owned(rows)) => rows.poll_next_unpin(cx),
            Some(RowSource::Borrowed(rows)) => rows.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        let Some(RowSource::Owned(rows)) = self.source.take() else {
            return;
        };
        let permit = self.permit.take();
        let Some(orphan) = self.write.take().and_then(|write| write.abandon()) else {
            give_back(rows, permit);
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // A runtime that ends meanwhile drops the task, and the orphan with it.
        let cut = self.cut.take();
        runtime.spawn(
            async move {
                let until_cut = async {
                    match cut {
                        Some(cut) => cut.wait().await,
                        None => std::future::pending().await,
                    }
                };
                let answered = tokio::select! {
                    answered = to_the_end(rows) => answered,
                    () = until_cut => false,
                };
                if answered {
                    orphan.mark_returned();
                }
                drop(permit);
            }
            .boxed(),
        );
    }
}

/// Of what changed nothing only the connection is left. What its server has sent still has to be read, by the pool or
/// here; here where it is one of the permits that only so many may have at a time.
fn give_back(rows: Owned, permit: Option<Permit>) {
    let permit = permit.filter(Permit::is_shared);
    if let (Some(permit), Ok(runtime)) = (permit, tokio::runtime::Handle::try_current()) {
        runtime.spawn(
            async move {
                to_the_end(rows).await;
                drop(permit);
            }
            .boxed(),
        );
    }
}

/// Reads what is left; whether the server has answered to its end.
async fn to_the_end(mut rows: Owned) -> bool {
    while let Some(row) = rows.next().await {
        if let Err(err) = row {
            return is_answer(&err);
        }
    }
    true
}

/// Whether the server has answered with this, so that it is at nothing more: a lost connection is no answer, and neither
/// is one that could not be read.
pub(super) fn is_answer(err: &DbErr) -> bool {
    signal::code(err).is_some() && !signal::of_db_err(err, Role::Unknown).ends_connection()
}
