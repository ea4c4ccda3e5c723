//! What stands where SeaORM's connection is asked for and there is none.

use sea_orm::{
    DatabaseConnection, DbBackend,
    sqlx::{Connection, Database, Pool, pool::PoolOptions},
};

/// A connection of this backend that has no server: whatever is asked of it is an error, and nothing panics.
pub(crate) fn closed(backend: DbBackend) -> DatabaseConnection {
    match backend {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => {
            use sea_orm::sqlx::postgres::{PgConnectOptions, Postgres};
            pool::<Postgres>(PgConnectOptions::new_without_pgpass()).into()
        }
        #[cfg(feature = "mysql")]
        DbBackend::MySql => {
            use sea_orm::sqlx::mysql::{MySql, MySqlConnectOptions};
            pool::<MySql>(MySqlConnectOptions::new()).into()
        }
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => {
            use sea_orm::sqlx::sqlite::{Sqlite, SqliteConnectOptions};
            pool::<Sqlite>(SqliteConnectOptions::new()).into()
        }
        #[allow(unreachable_patterns, reason = "not with every backend")]
        _ => DatabaseConnection::default(),
    }
}

/// A pool that keeps nothing up, which would need a task: this may be made outside of a runtime.
fn pool<DB: Database>(options: <DB::Connection as Connection>::Options) -> Pool<DB> {
    let pool = PoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options);
    // Closed by the call; there is nothing to wait for.
    drop(pool.close());
    pool
}
