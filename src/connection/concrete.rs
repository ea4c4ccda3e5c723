//! SeaORM's own connection to the primary, for what insists on its type (rule C7).

use std::sync::LazyLock;

#[cfg(feature = "schema-sync")]
use sea_orm::sea_query::SelectStatement;
use sea_orm::{DatabaseConnection, DatabaseExecutor, IntoDatabaseExecutor};
#[cfg(feature = "schema-sync")]
use sea_schema::sqlx_types::{SqlxError, SqlxRow};

use super::RoutedConnection;
use crate::{
    causality::Current,
    error::Error,
    node::Lease,
    vocabulary::{Intent, Reason, Role},
};

impl RoutedConnection {
    /// SeaORM's own connection to the current primary: for migrations, RBAC, and functions that name SeaORM's type.
    ///
    /// Nothing done through it is routed. Without replicas (and on SQLite, and where the application made the connection)
    /// its pool is the handle's own: its size, its options and its waiting are the handle's.
    ///
    /// With replicas it comes from a pool of its own, as large, because none of what is done there is seen. While one
    /// of its connections is in use, a read of this process (of a session: if that called this, or began while one was
    /// in use), through this or another handle to the cluster, asks the primary how far it has written, and waits up to
    /// `SEALANE_STALE_WAIT` for a replica that has come so far before it takes the primary; without positions it takes
    /// the primary. A return is taken for a write. (On that pool, an `after_release` function of the caller's pool
    /// options is replaced.)
    ///
    /// A connection that is closed (`close()`, `close_on_drop()`) has returned with that; what its server goes on with,
    /// because a statement that was sent on it was not awaited, is followed to its end where that server sees this
    /// process's own end of the connection (over TCP, and nothing in between). Elsewhere that is not seen, nor is what is done
    /// on a connection that is detached from the pool, or on a clone of the pool that outlives its handle.
    ///
    /// Closing its pool closes the handle, as SeaORM's does. It outlives a restart of its server.
    ///
    /// When another node becomes the primary, or its name leads to another server, call it again: the old reference stays
    /// valid and its pool is closed. What is out of that pool, also under
    /// [`get_postgres_connection_pool`](Self::get_postgres_connection_pool) and in migrations, is cut as soon as the old
    /// primary is given up: its sockets are shut and its server's processes ended, so that an open transaction or a
    /// running statement fails and stores nothing there, unless its COMMIT was there before. Connections that the
    /// application opened itself are left alone.
    ///
    /// What cannot be told apart for certain is left alone. Behind a proxy or a pooler, and on a socket of the file
    /// system, the socket is shut but no process is ended: a statement that runs already goes on to its end there. Not cut
    /// at all is what is out
    /// - by TLS through a proxy or a pooler,
    /// - where an `after_connect` of the caller's own stands in sqlx's pool options,
    /// - on MariaDB and MySQL, on systems other than Unix, and of a connection that the application made (`from`,
    ///   `from_connections`).
    ///
    /// # Panics
    /// Never. While no primary is known, every statement on what this gives is an error; a handle that was never
    /// connected gives SeaORM's `Disconnected` connection.
    #[must_use]
    pub fn concrete(&self) -> &DatabaseConnection {
        static DISCONNECTED: LazyLock<DatabaseConnection> =
            LazyLock::new(DatabaseConnection::default);
        if let Some(shared) = &self.shared {
            // What is done there may be a write of this session.
            if let Current::Session(session) | Current::Client(session) =
                self.overrides.current(shared)
            {
                session.mark_concrete();
            }
        }
        match &self.shared {
            Some(shared) => shared.concrete.current(shared),
            None => &DISCONNECTED,
        }
    }

    /// A lease on the primary, for what is not a statement.
    pub(super) fn lease_primary(&self) -> Result<Lease, Error> {
        let shared = self.shared()?;
        let snapshot = shared.snapshot.load();
        let primary = snapshot.primary().ok_or_else(|| Error::NoPrimary {
            waited: std::time::Duration::ZERO,
            limit: None,
            sent: false,
            source: None,
            nodes: snapshot.describe(),
            detail: "".into(),
        })?;
        let seat = primary.seat();
        Ok(Lease::take(
            seat,
            Role::Primary,
            Intent::Primary,
            Reason::PrimaryOnly,
        ))
    }

    /// Asks the primary's connection something that sends nothing.
    pub(super) fn with_primary<T>(&self, ask: impl FnOnce(&DatabaseConnection) -> T) -> Option<T> {
        let shared = self.shared().ok()?;
        Some(ask(shared.snapshot.primary_node()?.link.connection()))
    }
}

impl<'c> From<&'c RoutedConnection> for DatabaseExecutor<'c> {
    fn from(db: &'c RoutedConnection) -> Self {
        DatabaseExecutor::Connection(db.concrete())
    }
}

/// Migrations take this: they run on the primary, through [`concrete`](RoutedConnection::concrete).
impl<'c> IntoDatabaseExecutor<'c> for &'c RoutedConnection {
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        self.into()
    }
}

/// Schema discovery reads the primary: a lagging answer would make it create what exists.
#[cfg(feature = "schema-sync")]
#[async_trait::async_trait]
impl sea_schema::Connection for RoutedConnection {
    async fn query_all(&self, select: SelectStatement) -> Result<Vec<SqlxRow>, SqlxError> {
        let mut question = self.shared().map_err(undiscovered)?.ask_primary().await;
        loop {
            let rows = self.discover(select.clone()).await;
            if !question.wait_to_repeat(&rows).await {
                return rows;
            }
        }
    }

    async fn query_all_raw(&self, sql: String) -> Result<Vec<SqlxRow>, SqlxError> {
        let mut question = self.shared().map_err(undiscovered)?.ask_primary().await;
        loop {
            let rows = self.discover_raw(sql.clone()).await;
            if !question.wait_to_repeat(&rows).await {
                return rows;
            }
        }
    }
}

#[cfg(feature = "schema-sync")]
impl RoutedConnection {
    async fn discover(&self, select: SelectStatement) -> Result<Vec<SqlxRow>, SqlxError> {
        let lease = self.lease_primary().map_err(undiscovered)?;
        let _waits = lease.node().wait_for_pool();
        sea_schema::Connection::query_all(lease.node().link.connection(), select).await
    }

    async fn discover_raw(&self, sql: String) -> Result<Vec<SqlxRow>, SqlxError> {
        let lease = self.lease_primary().map_err(undiscovered)?;
        let _waits = lease.node().wait_for_pool();
        sea_schema::Connection::query_all_raw(lease.node().link.connection(), sql).await
    }
}

/// An error of ours in the type of schema discovery.
#[cfg(feature = "schema-sync")]
fn undiscovered(err: Error) -> SqlxError {
    SqlxError::AnyDriverError(err.into())
}
