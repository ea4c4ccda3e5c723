//! The inherent methods that users of `sea_orm::DatabaseConnection` call: the same names, on the routed handle.
//!
//! They must be inherent. `get_database_backend` is in two traits, and code that has both in scope calls it anyway.

use sea_orm::{
    AccessMode, ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, IsolationLevel, Schema,
    SchemaBuilder, TransactionError, TransactionTrait, metric,
};
use std::sync::Arc;

use super::RoutedConnection;
use crate::{
    connection::transaction::RoutedTransaction,
    error::{DbErrKind, Error},
};

impl RoutedConnection {
    /// The backend of all nodes.
    ///
    /// # Panics
    /// On a handle made by `Default`, as SeaORM's does.
    #[must_use]
    pub fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(self)
    }

    /// A builder for this backend's schema.
    #[must_use]
    pub fn get_schema_builder(&self) -> SchemaBuilder {
        Schema::new(self.get_database_backend()).builder()
    }

    /// Builds a schema for all the entities in the given module.
    #[cfg(feature = "entity-registry")]
    #[must_use]
    pub fn get_schema_registry(&self, prefix: &str) -> SchemaBuilder {
        sea_orm::EntityRegistry::build_schema(Schema::new(self.get_database_backend()), prefix)
    }

    /// Whether the primary answers. Replicas are looked after in the background and do not decide.
    ///
    /// # Errors
    /// What the primary's connection says.
    pub async fn ping(&self) -> Result<(), DbErr> {
        let closed = |shared: &Arc<crate::cluster::shared::Shared>| shared.concrete.was_closed();
        if self.shared.as_ref().is_some_and(closed) {
            // The handle is about to be closed as well.
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        }
        let mut question = self.shared()?.ask_primary().await;
        loop {
            let answer = self.ping_primary().await;
            if !question.wait_to_repeat(&answer).await {
                return answer;
            }
        }
    }

    async fn ping_primary(&self) -> Result<(), DbErr> {
        let lease = self.lease_primary()?;
        let _waits = lease.node().wait_for_pool();
        // SeaORM's is larger than what most applications await it in.
        let pinging = lease.guard(lease.node().link.connection().ping());
        Box::pin(pinging)
            .await
            .unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Conn)))
    }

    /// Closes every node's pool, for all clones of this handle, once what was taken from them has come back.
    ///
    /// # Errors
    /// None today; the signature is SeaORM's.
    pub async fn close(self) -> Result<(), DbErr> {
        self.close_by_ref().await
    }

    /// As [`close`](Self::close), by reference.
    ///
    /// # Errors
    /// None today; the signature is SeaORM's.
    pub async fn close_by_ref(&self) -> Result<(), DbErr> {
        let shared = self
            .shared()
            .map_err(|err: Error| err.into_db(DbErrKind::Conn))?;
        shared.close().await;
        Ok(())
    }

    /// Calls `callback` after each statement of this handle and of the clones made from it later, on whichever node it
    /// ran. SeaORM's limits hold: not for `execute_unprepared`, BEGIN and COMMIT, and without the time spent acquiring.
    pub fn set_metric_callback<F>(&mut self, callback: F)
    where
        F: Fn(&metric::Info<'_>) + Send + Sync + 'static,
    {
        self.callback = Some(Arc::new(callback));
    }

    /// Runs an async closure inside a transaction: committed on `Ok`, rolled back on `Err`.
    ///
    /// # Errors
    /// [`TransactionError::Connection`] when BEGIN, COMMIT or ROLLBACK fails, else the closure's own error.
    pub async fn transaction_async<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c RoutedTransaction) -> Result<T, E> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        self.transaction_with_config_async(callback, None, None)
            .await
    }

    /// As [`transaction_async`](Self::transaction_async), with an isolation level and an access mode. Declared read
    /// only and not serializable, it may run on a replica.
    ///
    /// # Errors
    /// As [`transaction_async`](Self::transaction_async).
    pub async fn transaction_with_config_async<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c RoutedTransaction) -> Result<T, E> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let txn = self
            .begin_with_config(isolation_level, access_mode)
            .await
            .map_err(TransactionError::Connection)?;
        let result = callback(&txn).await;
        txn.finish(result).await
    }
}

/// The pools, of the primary: what is done with them is not seen here, so these come from the same place as
/// [`concrete`](RoutedConnection::concrete).
impl RoutedConnection {
    /// The primary's pool, by [`concrete`](Self::concrete): what is out of it is cut when another node becomes the
    /// primary.
    ///
    /// # Panics
    /// When this is not a PostgreSQL connection, as SeaORM's does.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn get_postgres_connection_pool(&self) -> &sea_orm::sqlx::PgPool {
        self.concrete().get_postgres_connection_pool()
    }

    /// The primary's pool, by [`concrete`](Self::concrete).
    ///
    /// # Panics
    /// When this is not a MariaDB or MySQL connection, as SeaORM's does.
    #[cfg(feature = "mysql")]
    #[must_use]
    pub fn get_mysql_connection_pool(&self) -> &sea_orm::sqlx::MySqlPool {
        self.concrete().get_mysql_connection_pool()
    }

    /// The writer's pool, by [`concrete`](Self::concrete).
    ///
    /// # Panics
    /// When this is not a SQLite connection, as SeaORM's does.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn get_sqlite_connection_pool(&self) -> &sea_orm::sqlx::SqlitePool {
        self.concrete().get_sqlite_connection_pool()
    }
}

#[cfg(feature = "mock")]
impl RoutedConnection {
    /// The primary's mock.
    ///
    /// # Panics
    /// When the primary is not a mock, as SeaORM's does.
    #[must_use]
    pub fn as_mock_connection(&self) -> &sea_orm::MockDatabaseConnection {
        self.concrete().as_mock_connection()
    }

    /// What was sent to the primary's mock, and to the replicas' if they are the same one.
    ///
    /// # Panics
    /// When the primary is not a mock, as SeaORM's does.
    #[must_use]
    pub fn into_transaction_log(self) -> Vec<sea_orm::Transaction> {
        self.concrete().clone().into_transaction_log()
    }
}

#[cfg(feature = "proxy")]
impl RoutedConnection {
    /// The primary's proxy.
    ///
    /// # Panics
    /// When the primary is not a proxy, as SeaORM's does.
    #[must_use]
    pub fn as_proxy_connection(&self) -> &sea_orm::ProxyDatabaseConnection {
        self.concrete().as_proxy_connection()
    }
}

/// Access control: it is checked, and what it lets pass runs, on the primary, because SeaORM's restricted connection
/// holds SeaORM's own type.
#[cfg(feature = "rbac")]
impl RoutedConnection {
    /// Loads the rules from this database and puts them in force.
    ///
    /// # Errors
    /// What the reading says.
    pub async fn load_rbac(&self) -> Result<(), DbErr> {
        let Ok(shared) = self.shared() else {
            return self.concrete().load_rbac().await;
        };
        let mut question = shared.ask_primary().await;
        loop {
            let loaded = self.concrete().load_rbac().await;
            if !question.wait_to_repeat(&loaded).await {
                return loaded;
            }
        }
    }

    /// Loads the rules from another database, whose primary is asked, and puts them in force.
    ///
    /// # Errors
    /// What the reading says.
    pub async fn load_rbac_from(&self, db: &Self) -> Result<(), DbErr> {
        let Ok(shared) = db.shared() else {
            return self.concrete().load_rbac_from(db.concrete()).await;
        };
        let mut question = shared.ask_primary().await;
        loop {
            let loaded = self.concrete().load_rbac_from(db.concrete()).await;
            if !question.wait_to_repeat(&loaded).await {
                return loaded;
            }
        }
    }

    /// Puts these rules in force: SeaORM's engine, or that of [`drop_in`](crate::drop_in).
    pub fn replace_rbac(&self, engine: impl Into<sea_orm::rbac::RbacEngine>) {
        self.concrete().replace_rbac(engine.into());
    }

    /// A connection that may do what this user may.
    ///
    /// # Errors
    /// When no rules were loaded.
    pub fn restricted_for(
        &self,
        user_id: sea_orm::rbac::RbacUserId,
    ) -> Result<sea_orm::RestrictedConnection, DbErr> {
        self.concrete().restricted_for(user_id)
    }
}
