//! Opening a stream, as SeaORM's [`StreamTrait`] asks for it: it may move to another node until its first row is there, and never after (rule R5).

use std::{pin::Pin, sync::Arc};

use sea_orm::{DbBackend, DbErr, Statement, StreamTrait, sqlx};

use super::RoutedStream;
use crate::{
    cluster::shared::Shared,
    connection::{Callback, RoutedConnection, local},
    dispatch::{self, Attempt, Failed, Overrides, Work},
    error::DbErrKind,
    intent::Classification,
    node::{Lease, LocalStatement},
    signal,
    span::Subject,
    vocabulary::Stage,
};

/// Why a stream is refused behind a pooler in transaction mode (rule I8).
#[derive(Debug, thiserror::Error)]
#[error(
    "the node is behind a pooler in transaction mode, where a stream would lose its connection: stream inside a transaction, or \
     let the pooler give the node's connections for a session"
)]
struct LosesConnection;

/// A statement whose rows come one by one.
struct StreamOpening<'a> {
    stmt: &'a Statement,
    callback: Option<&'a Callback>,
}

impl RoutedConnection {
    /// Runs a statement as a stream.
    pub(in crate::connection) async fn open_stream(
        &self,
        stmt: Statement,
    ) -> Result<RoutedStream<'static>, DbErr> {
        let shared = self.shared().map_err(|err| err.into_db(DbErrKind::Query))?;
        local::check(&self.overrides, &stmt.sql, DbErrKind::Query)
            .map_err(|err| dispatch::refuse(shared, Subject::of(&stmt), err))?;
        let opening = StreamOpening {
            stmt: &stmt,
            callback: self.callback.as_ref(),
        };
        dispatch::run(shared, &self.overrides, &opening).await
    }
}

/// Whether an error is one of the statement or its server, which no beginning of a transaction gives: what the data do, what
/// the server lacks, and what it ends by command.
fn is_of_the_read(err: &DbErr) -> bool {
    let code = signal::code(err).unwrap_or_default();
    let invalid_parameter = "22023";
    ["22", "23", "40", "53", "57", "58"]
        .iter()
        .any(|class| code.starts_with(class))
        && code != invalid_parameter
}

impl StreamTrait for RoutedConnection {
    // As SeaORM's: rows that own their connection, and may leave the function that asked for them.
    type Stream<'a> = RoutedStream<'static>;

    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    fn stream_raw<'a>(
        &'a self,
        stmt: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        Box::pin(self.open_stream(stmt))
    }
}

impl Work for StreamOpening<'_> {
    type Sent = RoutedStream<'static>;
    type Output = RoutedStream<'static>;
    const KIND: DbErrKind = DbErrKind::Query;

    fn classify(&self, shared: &Shared, overrides: &Overrides) -> Classification {
        dispatch::classify(shared, overrides, &self.stmt.sql)
    }

    fn sql(&self) -> Option<&str> {
        Some(&self.stmt.sql)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::of(self.stmt)
    }

    async fn send(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &mut Lease,
    ) -> Result<Option<RoutedStream<'static>>, Failed> {
        let Some(conn) = attempt.connect(lease).await? else {
            return Ok(None);
        };
        let link = &lease.node().link;
        let certain = attempt.needs_known_server();
        if link.needs_blocks() || (link.is_shared() && certain) {
            let err = sqlx::Error::Configuration(Box::new(LosesConnection));
            return Err(Failed::to_acquire(Self::KIND.of_sqlx(err)));
        }
        let own = attempt.own_transaction(lease);
        let mut stream = match own {
            None => {
                let rows = conn.stream(self.stmt.clone(), self.callback.cloned());
                let rows = rows.await.map_err(Failed::to_acquire)?;
                lease.sending();
                RoutedStream::owned(rows, &lease.node().name, attempt.take_write())
            }
            Some(local) => {
                let rows = conn.local_stream(LocalStatement {
                    stmt: self.stmt.clone(),
                    local: Arc::clone(local),
                    access: attempt.local_access(),
                });
                lease.sending();
                RoutedStream::owned(rows, &lease.node().name, attempt.take_write())
            }
        };
        stream.begin(lease);
        let first = lease.guard(stream.prefetch()).await;
        match first.unwrap_or_else(|cut| Err(cut.into_db(Self::KIND))) {
            Ok(()) => Ok(Some(stream)),
            Err(err) => {
                attempt.give_write(stream.into_write());
                // Which of the two failed is not told, and a read may be sent again; not where its own server ended it.
                if own.is_some() && !is_of_the_read(&err) && attempt.is_refused_followers(&err) {
                    return Ok(None);
                }
                Err(Failed::sent(err))
            }
        }
    }

    fn done(
        &self,
        attempt: &mut Attempt<'_>,
        lease: Lease,
        stream: RoutedStream<'static>,
    ) -> RoutedStream<'static> {
        attempt.succeeded();
        let ran = attempt.ran(Stage::Send);
        let span = attempt.span.hand_over();
        stream
            .holding(lease)
            .telling(attempt.shared(), ran)
            .spanned(span)
    }

    /// What a server answers with the first row is the first row's, as in SeaORM.
    fn give_up(
        &self,
        lease: &Lease,
        stage: Stage,
        err: DbErr,
    ) -> Result<RoutedStream<'static>, DbErr> {
        match stage {
            Stage::Acquire => Err(err),
            _ => Ok(RoutedStream::failed(err, &lease.node().name)),
        }
    }
}
