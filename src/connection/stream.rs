//! A stream of rows whose lease lives as long as it does.
//!
//! Its first row is asked for before the stream is handed out, because until a row was yielded a read may still move
//! to another node; from the first row on it never moves (rule R5).

mod open;
mod rows;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt};
use sea_orm::{DbErr, QueryResult};

use self::rows::Rows;
use super::transaction::TransactionState;
use crate::{
    causality::OpenWrite,
    cluster::shared::Shared,
    error::{DbErrKind, Error},
    node::{Lease, UntilCut},
    signal,
    span::StatementSpan,
    state::Ran,
    vocabulary::{Role, Stage},
};

/// Rows as the server sends them; what [`StreamTrait::stream`](sea_orm::StreamTrait::stream) gives on a routed handle.
///
/// Stands where a `sea_orm::QueryStream` stood. A connection lost after rows were yielded ends it with
/// [`Error::StreamLost`](crate::Error::StreamLost); that of an `INSERT … RETURNING` with
/// [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
pub struct RoutedStream<'a> {
    rows: Option<Rows<'a>>,
    /// The stream is not proven to be a read: run again, it may write twice.
    writes: bool,
    /// The row that was asked for before the stream was handed out.
    first: Option<Result<QueryResult, DbErr>>,
    yielded: u64,
    node: String,
    cut: Option<UntilCut>,
    /// The connection is a transaction's, which has to hear what its server says.
    transaction: Option<&'a TransactionState>,
    /// Held for what its drop does.
    held: Option<Lease>,
    /// Whom to tell when its connection breaks, and what ran on it.
    tells: Option<(Arc<Shared>, Ran)>,
    /// From the call to the last row, or to the stream's drop.
    span: StatementSpan,
}

impl<'a> RoutedStream<'a> {
    /// Over rows that own their connection, and the write that they are.
    pub(super) fn owned(
        rows: impl Stream<Item = Result<QueryResult, DbErr>> + Send + 'static,
        node: &str,
        write: Option<OpenWrite>,
    ) -> Self {
        Self {
            writes: write.is_some(),
            ..Self::of(Some(Rows::owned(rows, write)), node)
        }
    }

    /// Over rows on somebody else's connection.
    pub(super) fn borrowed(
        rows: impl Stream<Item = Result<QueryResult, DbErr>> + Send + 'a,
        node: &str,
    ) -> Self {
        Self::of(Some(Rows::borrowed(rows)), node)
    }

    fn of(rows: Option<Rows<'a>>, node: &str) -> Self {
        Self {
            rows,
            writes: false,
            first: None,
            yielded: 0,
            node: node.to_owned(),
            cut: None,
            transaction: None,
            held: None,
            tells: None,
            span: StatementSpan::default(),
        }
    }

    /// Asks for the first row and keeps it, whatever it is.
    pub(super) async fn prefetch(&mut self) -> Result<(), DbErr> {
        let Some(rows) = &mut self.rows else {
            return Ok(());
        };
        match rows.next().await {
            Some(Err(err)) => return Err(err),
            Some(row) => self.first = Some(row),
            None => self.end(),
        }
        Ok(())
    }

    /// A stream that yields this error, as SeaORM's does for an error that the server sends with the first row.
    pub(super) fn failed(err: DbErr, node: &str) -> Self {
        Self {
            first: Some(Err(err)),
            ..Self::of(None, node)
        }
    }

    /// Makes the lease's permit live as long as the server is at it, and a write no longer than its node. From before
    /// the first row: whoever leaves before that leaves as much behind as later.
    pub(super) fn begin(&mut self, lease: &mut Lease) {
        if let Some(rows) = &mut self.rows {
            rows.of(lease);
            rows.keep(lease.take_permit());
        }
    }

    /// Makes the lease live as long as the stream, which has begun.
    pub(super) fn holding(mut self, lease: Lease) -> Self {
        self.cut = Some(lease.until_cut());
        if let Some(rows) = &mut self.rows {
            rows.give_turn();
        }
        self.held = Some(lease);
        self
    }

    /// Makes it tell the topology of a connection that breaks under it: nobody else may have been there to see it.
    pub(super) fn telling(mut self, shared: &Arc<Shared>, ran: Ran) -> Self {
        self.tells = Some((Arc::clone(shared), ran));
        self
    }

    /// Makes the statement's span last as long as the stream.
    pub(super) fn spanned(mut self, span: StatementSpan) -> Self {
        self.span = span;
        self
    }

    /// The write that it is, when it failed before its first row and may be tried again.
    pub(super) fn into_write(mut self) -> Option<OpenWrite> {
        self.rows.as_mut()?.write()
    }

    /// Ends it when the node of the transaction that it belongs to is cut off.
    pub(super) fn of_transaction(mut self, transaction: &'a TransactionState) -> Self {
        self.cut = Some(transaction.lease().until_cut());
        self.transaction = Some(transaction);
        self
    }

    /// The server has answered to the end.
    fn end(&mut self) {
        if let Some(rows) = self.rows.take() {
            rows.end();
        }
    }

    /// The connection is gone, and nobody knows what the server made of it.
    fn lose(&mut self) {
        if let Some(rows) = self.rows.take() {
            rows.lose();
        }
    }

    fn tell(&self, err: &DbErr) {
        let (Some((shared, ran)), Some(lease)) = (&self.tells, &self.held) else {
            return;
        };
        let signal = signal::of_db_err(err, lease.role());
        match Error::from_db_err(err).is_none() && signal.ends_connection() {
            true => shared.report(lease, Stage::Send, signal, *ran),
            false => lease.metrics().failure(signal.failure_kind()),
        }
    }

    fn lost(&self, err: DbErr) -> DbErr {
        let cut_off = matches!(Error::from_db_err(&err), Some(Error::CutOff { .. }));
        if self.yielded == 0
            || !(cut_off || signal::of_db_err(&err, Role::Unknown).ends_connection())
        {
            return err;
        }
        if self.writes {
            return match cut_off {
                true => err,
                false => Error::UnknownOutcome {
                    node: self.node.clone(),
                    stage: Stage::Send,
                    source: err,
                }
                .into_db(DbErrKind::Query),
            };
        }
        Error::StreamLost {
            node: self.node.clone(),
            rows: self.yielded,
            source: err,
        }
        .into_db(DbErrKind::Query)
    }
}

impl Stream for RoutedStream<'_> {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut span = std::mem::take(&mut this.span);
        let polled = span.step(|| this.poll_row(cx));
        match &polled {
            Poll::Ready(Some(Err(err))) => {
                this.add_report(err);
                span.gave(Some(this.yielded));
                span.failed(err);
            }
            Poll::Ready(None) => {
                span.gave(Some(this.yielded));
                span.succeeded();
            }
            // Dropped after that, it gave so many.
            _ => span.gave(Some(this.yielded)),
        }
        this.span = span;
        polled
    }
}

impl RoutedStream<'_> {
    /// An error of ours tells of the cluster.
    #[cold]
    fn add_report(&self, err: &DbErr) {
        match (&self.tells, self.transaction) {
            (Some((shared, _)), _) => shared.add_report(err),
            (None, Some(transaction)) => transaction.add_report(err),
            (None, None) => {}
        }
    }

    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<QueryResult, DbErr>>> {
        let this = self;
        if let Some(first) = this.first.take() {
            this.yielded += u64::from(first.is_ok());
            return Poll::Ready(Some(first));
        }
        let Some(rows) = &mut this.rows else {
            return Poll::Ready(None);
        };
        // The cut first: rows of a node that was given up are not to be read, whatever has come of them.
        let cut = this.cut.as_ref().and_then(UntilCut::now);
        let item = match cut
            .map(Err)
            .map_or_else(|| rows.poll_next_unpin(cx).map(Ok), Poll::Ready)
        {
            Poll::Ready(Ok(item)) => item,
            Poll::Ready(Err(cut)) => Some(Err(cut.into_db(DbErrKind::Query))),
            Poll::Pending => {
                let Some(cut) = &mut this.cut else {
                    return Poll::Pending;
                };
                Some(Err(ready!(cut.poll(cx)).into_db(DbErrKind::Query)))
            }
        };
        Poll::Ready(match item {
            Some(Ok(row)) => {
                this.yielded += 1;
                Some(Ok(row))
            }
            Some(Err(err)) => {
                // An answer of the server's is an end as well; a lost connection is not, and neither is an answer that
                // could not be read.
                let answered = rows::is_answer(&err);
                if let Some(transaction) = this.transaction {
                    transaction.heard(&err);
                }
                this.tell(&err);
                let err = this.lost(err);
                match answered {
                    true => this.end(),
                    false => this.lose(),
                }
                Some(Err(err))
            }
            None => {
                this.end();
                None
            }
        })
    }
}

impl fmt::Debug for RoutedStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoutedStream")
            .field("node", &self.node)
            .field("yielded", &self.yielded)
            .finish_non_exhaustive()
    }
}
