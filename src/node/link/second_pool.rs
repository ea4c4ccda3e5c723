//! A second pool to the same server, which is handed out whole.

use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use futures_util::future::BoxFuture;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::sqlx::{self, Connection, Pool, pool::PoolOptions};

use super::NodePool;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::PoolState;
#[cfg(feature = "mysql")]
use crate::node::open::{mysql::greet::hooked as mysql_hooked, mysql_taker};
use crate::node::{HandedConnections, PoolLook};
#[cfg(feature = "postgres")]
use crate::node::{asking, greet::hooked, open::postgres_taker};

/// A connection that comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned {
    /// The server had answered all that was sent on the connection.
    pub(crate) answered: bool,
    /// How often the server's catalog was changed by then, where it counts that.
    pub(crate) changes: Option<i64>,
}

/// What hears of it.
pub(crate) type OnReturn = Arc<dyn Fn(Returned) + Send + Sync>;

/// A second pool to a node's server, which is handed out whole.
pub(crate) struct SecondPool {
    pub(crate) link: Arc<NodePool>,
    pub(crate) handed: Arc<HandedConnections>,
    /// Whether the pool counts the connections that are opened, so that one that was opened and closed is noticed.
    pub(crate) counts: bool,
}

impl SecondPool {
    /// How many of its connections there are, and whether somebody may have one.
    pub(crate) fn look(&self) -> PoolLook {
        PoolLook::take(
            || self.handed.opened(),
            || self.link.pool_size().unwrap_or_default(),
        )
    }
}

impl NodePool {
    /// Another pool to the same server with the same options, that tells of every connection which comes back to it; `None`
    /// where one pool is all there is (SQLite's one writer, an adopted connection).
    ///
    /// The pool has one slot for what runs on return, so this replaces a caller's `after_release`. Connections beyond a
    /// greatest age would be closed without it, so there is none here. Where the slot for what runs on a new connection is
    /// free, those are counted, and on PostgreSQL what is out can be cut.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(unused_variables, reason = "SQLite has one writer and no second pool")
    )]
    pub(crate) fn second_pool(&self, on_return: OnReturn) -> Option<SecondPool> {
        let handed = Arc::new(HandedConnections::to(self.port()));
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _, guide, state) => {
                let mut options = twin(pool, on_return, changes);
                let path = guide.path();
                if let Some(path) = path {
                    options = hooked(options, guide, path.clone(), Some(Arc::clone(&handed)));
                }
                let pool = open(pool, options);
                let connection =
                    sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
                let own = PoolState::default();
                let own = own.with_credentials(state.credentials(), postgres_taker(&pool));
                let link = Self::Postgres(pool, connection, Arc::clone(guide), own);
                Some(SecondPool {
                    link: Arc::new(link),
                    handed,
                    counts: path.is_some(),
                })
            }
            #[cfg(feature = "mysql")]
            Self::MySql(pool, _, guide, state) => {
                let mut options = twin(pool, on_return, |conn| {
                    Box::pin(async { conn.ping().await.map(|()| None) })
                });
                if state.has_free_slot() {
                    options = mysql_hooked(options, guide, false, Some(Arc::clone(&handed)));
                }
                let pool = open(pool, options);
                let connection = sea_orm::SqlxMySqlConnector::from_sqlx_mysql_pool(pool.clone());
                let own = PoolState::default();
                let own = own.with_credentials(state.credentials(), mysql_taker(&pool));
                let link = Self::MySql(pool, connection, Arc::clone(guide), own);
                Some(SecondPool {
                    link: Arc::new(link),
                    handed,
                    counts: state.has_free_slot(),
                })
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => None,
            Self::Adopted(_) | Self::PendingPool(_) => None,
        }
    }
}

/// Waits until the server has answered all that was sent, which a statement of a dropped future may need, and asks.
#[cfg(any(feature = "postgres", feature = "mysql"))]
type AskChanges<DB> = for<'c> fn(
    &'c mut <DB as sqlx::Database>::Connection,
) -> BoxFuture<'c, Result<Option<i64>, sqlx::Error>>;

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn twin<DB: sqlx::Database>(
    pool: &Pool<DB>,
    on_return: OnReturn,
    ask: AskChanges<DB>,
) -> PoolOptions<DB> {
    let options = pool.options().clone();
    options
        .min_connections(0)
        .max_lifetime(None)
        .after_release(move |conn, _| {
            let on_return = Arc::clone(&on_return);
            Box::pin(async move {
                let asked = ask(conn).await;
                on_return(Returned {
                    answered: asked.is_ok(),
                    changes: asked.as_ref().ok().copied().flatten(),
                });
                asked.map(|_| true)
            })
        })
}

/// How often the server's catalog was changed, by this session as well: its own count is told to the server first.
#[cfg(feature = "postgres")]
fn changes(conn: &mut sqlx::PgConnection) -> BoxFuture<'_, Result<Option<i64>, sqlx::Error>> {
    /// Before PostgreSQL 15 there is no such function, and in a transaction that failed nothing is answered.
    const TELL: &str = "SELECT pg_catalog.pg_stat_force_next_flush()";
    const CHANGES: &str = "SELECT pg_catalog.sum(pg_catalog.pg_stat_get_tuples_inserted(oid) \
         + pg_catalog.pg_stat_get_tuples_updated(oid) + pg_catalog.pg_stat_get_tuples_deleted(oid))::pg_catalog.int8 \
         FROM pg_catalog.pg_class WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND relkind = 'r' \
         AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_largeobject_metadata') \
         AND pg_catalog.current_setting('track_counts')::pg_catalog.bool";
    Box::pin(async move {
        conn.ping().await?;
        for (last, sql) in [(false, TELL), (true, CHANGES)] {
            match asking::row(conn, sql).await {
                Ok(row) if last => return Ok(sqlx::Row::try_get(&row, 0).ok()),
                Ok(_) => {}
                Err(sqlx::Error::Database(_)) => return Ok(None),
                Err(err) => return Err(err),
            }
        }
        Ok(None)
    })
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn open<DB: sqlx::Database>(pool: &Pool<DB>, options: PoolOptions<DB>) -> Pool<DB> {
    options.connect_lazy_with(pool.connect_options().as_ref().clone())
}
