//! The rows of a stream, and the write that they may be.
//!
//! An `INSERT … RETURNING` whose stream is dropped half read goes on at its server, so it stays open until the server
//! has answered to the end (rule C1): what is left is read by a task.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt};
use sea_orm::{DbErr, QueryResult};

use crate::session::{OpenWrite, UNKNOWN_HOLD};

type Row = Result<QueryResult, DbErr>;

enum Source<'a> {
    /// On a connection of their own.
    Owned(Pin<Box<dyn Stream<Item = Row> + Send + 'static>>),
    /// On a transaction's.
    Borrowed(Pin<Box<dyn Stream<Item = Row> + Send + 'a>>),
}

/// See the module.
pub(super) struct Rows<'a> {
    source: Option<Source<'a>>,
    write: Option<OpenWrite>,
}

impl<'a> Rows<'a> {
    pub(super) fn owned(
        rows: impl Stream<Item = Row> + Send + 'static,
        write: Option<OpenWrite>,
    ) -> Self {
        Self {
            source: Some(Source::Owned(Box::pin(rows))),
            write,
        }
    }

    pub(super) fn borrowed(rows: impl Stream<Item = Row> + Send + 'a) -> Self {
        Self {
            source: Some(Source::Borrowed(Box::pin(rows))),
            write: None,
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
            write.is_lost(true);
        }
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
            Some(Source::Owned(rows)) => rows.poll_next_unpin(cx),
            Some(Source::Borrowed(rows)) => rows.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        let (Some(Source::Owned(mut rows)), Some(write)) = (self.source.take(), self.write.take())
        else {
            return;
        };
        let Some(mut abandoned) = write.abandon() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            abandoned.is_lost();
            return;
        };
        // A runtime that ends meanwhile drops the task.
        abandoned.is_lost();
        runtime.spawn(async move {
            let rest = async {
                while let Some(row) = rows.next().await {
                    if row.is_err() {
                        return false;
                    }
                }
                true
            };
            if matches!(tokio::time::timeout(UNKNOWN_HOLD, rest).await, Ok(true)) {
                abandoned.has_returned();
            }
        });
    }
}
