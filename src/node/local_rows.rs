//! The rows of a statement in a transaction of its own (rule R11), as a stream that owns the connection.
//!
//! The transaction borrows its connection and the rows borrow both, so all three live in one future, which hands the rows
//! out through a channel of one place. The stream polls that future itself: no task outlives it. Dropped half way, the
//! future leaves the connection to a task that ends the transaction before anybody gets it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt};
use sea_orm::{
    AccessMode, DatabaseConnection, DbErr, QueryResult, Statement, StreamTrait, TransactionTrait,
};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{
    PooledConnection,
    abandoned::{self, Left},
    local::{Beginning, LocalAccess, LocalSettings},
};
use crate::{error::DbErrKind, node::run::no_local};

type Driver = Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send>>;

/// What runs in a transaction of its own.
pub(crate) struct LocalStatement {
    pub(crate) stmt: Statement,
    pub(crate) local: Arc<LocalSettings>,
    pub(crate) access: LocalAccess,
}

/// The rows; the end comes once COMMIT has been answered.
pub(crate) struct LocalRows {
    rows: Receiver<QueryResult>,
    driver: Option<Driver>,
    /// What the driver ended with, behind the rows that it had sent.
    failed: Option<DbErr>,
}

impl PooledConnection {
    /// Runs a statement as a stream, in a transaction of its own.
    pub(crate) fn local_stream(self, work: LocalStatement) -> LocalRows {
        let (sender, rows) = mpsc::channel(1);
        let driver = async move {
            let mut own = Unended {
                conn: Some(self),
                beginning: Beginning::default(),
            };
            own.drive(&work, &sender).await?;
            // Nothing is left to be ended.
            drop(own.conn.take());
            Ok(())
        };
        LocalRows {
            rows,
            driver: Some(Box::pin(driver)),
            failed: None,
        }
    }
}

impl Stream for LocalRows {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match this.rows.poll_recv(cx) {
                Poll::Ready(Some(row)) => return Poll::Ready(Some(Ok(row))),
                Poll::Ready(None) if this.driver.is_none() => {
                    return Poll::Ready(this.failed.take().map(Err));
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            let Some(driver) = &mut this.driver else {
                return Poll::Pending;
            };
            match driver.as_mut().poll(cx) {
                Poll::Ready(done) => {
                    this.driver = None;
                    this.failed = done.err();
                }
                // It may have sent one just now.
                Poll::Pending => {
                    return match this.rows.poll_recv(cx) {
                        Poll::Ready(Some(row)) => Poll::Ready(Some(Ok(row))),
                        Poll::Ready(None) | Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// A connection whose transaction has not been ended.
struct Unended {
    conn: Option<PooledConnection>,
    beginning: Beginning,
}

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            abandoned::give_back(conn, Left::of(Some(&self.beginning)), None);
        }
    }
}

impl Unended {
    /// Runs the statement and sends its rows; nobody who wants them is no failure.
    async fn drive(
        &mut self,
        work: &LocalStatement,
        rows: &Sender<QueryResult>,
    ) -> Result<(), DbErr> {
        match &mut self.conn {
            #[cfg(feature = "postgres")]
            Some(PooledConnection::Postgres(conn, _)) => {
                on_postgres(conn, &self.beginning, work, rows).await
            }
            Some(PooledConnection::Adopted(own)) => on_seaorm(&own.connection, work, rows).await,
            #[allow(unreachable_patterns)]
            _ => Err(no_local(DbErrKind::Query)),
        }
    }
}

#[cfg(feature = "postgres")]
async fn on_postgres(
    conn: &mut sea_orm::sqlx::PgConnection,
    beginning: &Beginning,
    work: &LocalStatement,
    rows: &Sender<QueryResult>,
) -> Result<(), DbErr> {
    let of_sqlx = |err| DbErrKind::Query.of_sqlx(err);
    let mut txn = super::local::begin(conn, &work.local, work.access, beginning).await?;
    {
        let mut found = super::run::postgres::rows(&mut txn, &work.stmt);
        while let Some(row) = found.next().await {
            let sent = rows.send(row.map_err(of_sqlx)?.into()).await;
            if sent.is_err() {
                break;
            }
        }
    }
    txn.commit().await.map_err(of_sqlx)
}

/// On a connection that the application made, by SeaORM's own transaction.
async fn on_seaorm(
    db: &DatabaseConnection,
    work: &LocalStatement,
    rows: &Sender<QueryResult>,
) -> Result<(), DbErr> {
    let access = match work.access {
        LocalAccess::ReadOnly => Some(AccessMode::ReadOnly),
        LocalAccess::Write => None,
    };
    let txn = db.begin_with_config(None, access).await?;
    let set = sea_orm::ConnectionTrait::query_all_raw(&txn, work.local.statement()).await;
    set.map_err(LocalSettings::masked)?;
    {
        let mut found = txn.stream_raw(work.stmt.clone()).await?;
        while let Some(row) = found.next().await {
            if rows.send(row?).await.is_err() {
                break;
            }
        }
    }
    txn.commit().await
}
