//! What can be done with a connection that was taken.

use std::sync::Arc;

use sea_orm::{DbErr, sqlx::Connection};

use super::{Guide, PooledConnection};
use crate::causality::{LedTo, ReplayReport};
use crate::node::abandoned::Left;
#[cfg(feature = "postgres")]
use crate::{error::DbErrKind, signal::Silence};

/// Rows as the driver gives them, or such as are there already.
#[cfg(feature = "stream")]
pub(crate) type Streamed = futures_util::future::Either<
    sea_orm::QueryStream,
    futures_util::stream::Iter<std::vec::IntoIter<Result<sea_orm::QueryResult, DbErr>>>,
>;

impl PooledConnection {
    /// Runs a statement as a stream, which owns the connection from here on.
    #[cfg(feature = "stream")]
    pub(crate) async fn stream(
        self,
        stmt: sea_orm::Statement,
        callback: Option<crate::node::Callback>,
    ) -> Result<Streamed, DbErr> {
        let rows: sea_orm::QueryStream = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, _) => (conn, stmt, callback).into(),
            #[cfg(feature = "mysql")]
            Self::MySql(conn) => (conn, stmt, callback).into(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => (conn, stmt, callback).into(),
            Self::Adopted(own) => return own.stream(stmt).await,
        };
        Ok(Streamed::Left(rows))
    }

    /// Asks it whose server it leads to, where its pool did not; it must not be used when this fails.
    pub(crate) async fn greet(&mut self, guide: Option<&Arc<Guide>>) -> Result<(), DbErr> {
        match (self, guide) {
            #[cfg(feature = "postgres")]
            (Self::Postgres(conn, _), Some(guide)) if !guide.is_hooked() => {
                guide.greet_late(conn).await.map_err(super::acquire_error)
            }
            _ => Ok(()),
        }
    }

    /// How far the server has come that it leads to, where it can say so.
    pub(crate) async fn position(&mut self) -> Result<Option<ReplayReport>, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, led_to) => {
                let told = crate::node::greet::position(conn).await;
                let told = told.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
                *led_to = told.as_ref().map(LedTo::from);
                Ok(told)
            }
            _ => Ok(None),
        }
    }

    /// The report of its server, which receives from nobody, with the timeline on which that is: asked on the same connection
    /// and after the position, so that both are of one server.
    pub(crate) async fn with_timeline(
        &mut self,
        report: ReplayReport,
    ) -> Result<ReplayReport, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, _) => {
                let source = crate::node::greet::only_timeline(conn).await;
                let source = source.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
                Ok(ReplayReport { source, ..report })
            }
            _ => Ok(report),
        }
    }

    /// The server that it leads to, where it was asked for its [`position`](Self::position) since it was taken out of the
    /// pool.
    pub(crate) fn led_to(&self) -> Option<LedTo> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_, led_to) => *led_to,
            _ => None,
        }
    }

    /// Lets it be parted with after its statement.
    pub(crate) fn give_way(&mut self) {
        #[cfg(feature = "postgres")]
        if let Self::Postgres(_, led_to) = self {
            *led_to = led_to.map(LedTo::giving_way);
        }
    }

    /// Waits until the server has answered all that was sent on it; false when it cannot, or when nobody can tell.
    pub(crate) async fn ready(&mut self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, _) => conn.ping().await.is_ok(),
            #[cfg(feature = "mysql")]
            Self::MySql(conn) => conn.ping().await.is_ok(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => conn.ping().await.is_ok(),
            Self::Adopted(_) => false,
        }
    }

    /// Waits as [`ready`](Self::ready) does, and ends the transaction that was left on it; false where nobody may have
    /// the connection after that.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "only there is anything to be ended")
    )]
    pub(crate) async fn settle(&mut self, left: Left) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, _) if left != Left::Statement => settle_postgres(conn, left).await,
            _ => self.ready().await,
        }
    }

    /// The connection forgets what it has prepared, which may not fit the schema any more; where it cannot it is thrown
    /// away.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_mut, reason = "other servers prepare anew by themselves")
    )]
    pub(crate) async fn forgetting(mut self) -> Result<Self, DbErr> {
        #[cfg(feature = "postgres")]
        if let Self::Postgres(conn, _) = &mut self {
            let forgetting = conn.clear_cached_statements();
            let forgotten = tokio::time::timeout(super::ANSWER, forgetting).await;
            let forgotten = match forgotten {
                Ok(done) => done.map_err(super::acquire_error),
                Err(_) => Err(Silence::on_a_connection(format!("{:?}", super::ANSWER))),
            };
            if let Err(err) = forgotten {
                self.discard();
                return Err(err);
            }
        }
        Ok(self)
    }

    /// The server's process behind it, as far as that can be told; a connection that could not be asked is gone.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "only PostgreSQL tells its processes")
    )]
    pub(crate) async fn backend(
        mut self,
        node: &crate::node::Node,
    ) -> Result<(Self, Option<crate::causality::unresolved::Backend>), DbErr> {
        let backend = match &mut self {
            #[cfg(feature = "postgres")]
            // The one that is asked is another one by the next transaction.
            Self::Postgres(..) if node.link.is_shared() => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, _) => node.backends.of(conn).await?,
            _ => None,
        };
        Ok((self, backend))
    }

    /// Throws the connection away without a word to the server, which may not be listening.
    pub(crate) fn discard(self) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(conn, _) => drop(conn.detach()),
            #[cfg(feature = "mysql")]
            Self::MySql(conn) => drop(conn.detach()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => drop(conn.detach()),
            Self::Adopted(_) => {}
        }
    }
}

/// The answers to what was under way come first, and each may be an error.
#[cfg(feature = "postgres")]
const MOST_ANSWERS: usize = 4;

/// Ends the transaction that a statement was to have for itself. The driver queues its ROLLBACK when what holds the
/// transaction is dropped; not so while BEGIN is under way.
#[cfg(feature = "postgres")]
async fn settle_postgres(conn: &mut sea_orm::sqlx::PgConnection, left: Left) -> bool {
    use sea_orm::sqlx::{self, Executor};

    for _ in 0..MOST_ANSWERS {
        match conn.ping().await {
            Ok(()) if left == Left::Begin => return conn.execute("ROLLBACK").await.is_ok(),
            Ok(()) => return true,
            Err(sqlx::Error::Database(_)) => {}
            Err(_) => return false,
        }
    }
    false
}
