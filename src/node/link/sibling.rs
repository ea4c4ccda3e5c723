//! A second pool to the same server, which is handed out whole.

use std::sync::Arc;

use sea_orm::sqlx::{self, Connection, Pool, pool::PoolOptions};

use super::Link;
use crate::node::Handed;
#[cfg(feature = "postgres")]
use crate::node::greet::hooked;

/// What hears of a connection that comes back, and whether its server had answered all that was sent on it.
pub(crate) type OnReturn = Arc<dyn Fn(bool) + Send + Sync>;

/// See the module.
pub(crate) struct Sibling {
    pub(crate) link: Link,
    pub(crate) handed: Arc<Handed>,
}

impl Link {
    /// Another pool to the same server with the same options, that tells of every connection which comes back to it, and
    /// whether its server had answered all that was sent on it; `None` where one pool is all there is (SQLite's one
    /// writer, an adopted connection).
    ///
    /// The pool has one slot for what runs on return, so this replaces a caller's `after_release`. Connections beyond a
    /// greatest age would be closed without it, so there is none here. What is out of it can be cut where the slot for
    /// what runs on a new connection is free, on PostgreSQL.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(unused_variables, reason = "SQLite has one writer and no sibling")
    )]
    pub(crate) fn sibling(&self, on_return: OnReturn) -> Option<Sibling> {
        let handed = Arc::new(Handed::to(self.port()));
        let link = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _, guide) => {
                let mut options = twin(pool, on_return);
                if let Some(path) = guide.path() {
                    options = hooked(options, guide, path.clone(), Some(Arc::clone(&handed)));
                }
                let pool = open(pool, options);
                let connection =
                    sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
                Self::Postgres(pool, connection, Arc::clone(guide))
            }
            #[cfg(feature = "mysql")]
            Self::MySql(pool, _) => {
                let pool = open(pool, twin(pool, on_return));
                let connection = sea_orm::SqlxMySqlConnector::from_sqlx_mysql_pool(pool.clone());
                Self::MySql(pool, connection)
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => return None,
            Self::Adopted(_) | Self::Absent(_) => return None,
        };
        Some(Sibling { link, handed })
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn twin<DB: sqlx::Database>(pool: &Pool<DB>, on_return: OnReturn) -> PoolOptions<DB> {
    let options = pool.options().clone();
    options
        .min_connections(0)
        .max_lifetime(None)
        .after_release(move |conn, _| {
            let on_return = Arc::clone(&on_return);
            Box::pin(async move {
                // A statement whose future was dropped may be running still.
                let pinged = conn.ping().await;
                on_return(pinged.is_ok());
                pinged.map(|()| true)
            })
        })
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn open<DB: sqlx::Database>(pool: &Pool<DB>, options: PoolOptions<DB>) -> Pool<DB> {
    options.connect_lazy_with(pool.connect_options().as_ref().clone())
}
