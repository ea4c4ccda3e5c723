//! The names under which code knows SeaORM's types, for one changed import.
//!
//! Those are all that name a connection, a transaction or a stream of one; everything else of SeaORM's is generic, or
//! takes a [`concrete`](crate::RoutedConnection::concrete) connection.
//!
//! ```
//! // was: use sea_orm::{Database, DatabaseConnection, DatabaseTransaction, DbConn};
//! use sealane::drop_in::{Database, DatabaseConnection, DatabaseTransaction, DbConn};
//!
//! async fn start(url: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
//!     Database::connect(url).await
//! }
//! # fn helper(_: &DbConn, _: &DatabaseTransaction) {}
//! ```

mod connect_options;
#[cfg(feature = "rbac")]
mod rbac;

use sea_orm::DbErr;

pub use self::connect_options::ConnectOptions;
#[cfg(feature = "rbac")]
pub use self::rbac::RbacEngine;
use crate::config::Config;
pub use crate::connection::RoutedConnection as DatabaseConnection;
pub use crate::connection::RoutedConnection as DbConn;
pub use crate::connection::transaction::RoutedTransaction as DatabaseTransaction;

/// Rows of a connection; they do not borrow it.
#[cfg(feature = "stream")]
pub type QueryStream = crate::connection::RoutedStream<'static>;

/// Rows of a transaction.
#[cfg(feature = "stream")]
pub type TransactionStream<'a> = crate::connection::RoutedStream<'a>;

/// Stands where `sea_orm::Database` stood.
#[derive(Clone, Copy, Debug, Default)]
pub struct Database;

impl Database {
    /// Connects to the primary that `options` name, and to the replicas that the environment names.
    ///
    /// The primary and the template for every node (sizes, closures, logging) come from `options`; replicas and tuning
    /// come from the environment (`DATABASE_REPLICA_URLS`, `SEALANE_…`). `DATABASE_URL` is not read. The effective
    /// configuration is logged once, with its secrets masked.
    ///
    /// Where all connections of a pool are in use for too long, statements fail with SeaORM's very own error, which code
    /// written for SeaORM knows (`DbErr::ConnectionAcquire`), and a warning in the log, once a second at most, names the
    /// node and what bounds the wait. Other ways to connect have all of that in the error.
    ///
    /// # Errors
    /// Every problem of the configuration at once, or what the primary says, inside a `DbErr`; see
    /// [`Error::from_db_err`](crate::Error::from_db_err).
    pub async fn connect<C>(options: C) -> Result<DatabaseConnection, DbErr>
    where
        C: Into<sea_orm::ConnectOptions>,
    {
        let (options, plain) = connect_options::converted(options);
        let mut config = Config::from_env_with_options(options).map_err(crate::Error::from)?;
        config.plain_template = plain;
        config.keep_seaorm_errors = true;
        Ok(DatabaseConnection::connect(config).await?)
    }

    /// A handle on one proxy, which is its primary; replicas, whatever the environment names, are none of its.
    ///
    /// # Errors
    /// When SeaORM was not compiled for this backend.
    #[cfg(feature = "proxy")]
    pub async fn connect_proxy(
        backend: sea_orm::DbBackend,
        proxy: std::sync::Arc<Box<dyn sea_orm::ProxyDatabaseTrait>>,
    ) -> Result<DatabaseConnection, DbErr> {
        let connection = sea_orm::Database::connect_proxy(backend, proxy).await?;
        Ok(connection.into())
    }
}
