//! The four names under which code knows SeaORM's types, for one changed import.
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

use sea_orm::{ConnectOptions, DbErr};

use crate::config::Config;
pub use crate::connection::RoutedConnection as DatabaseConnection;
pub use crate::connection::RoutedConnection as DbConn;
pub use crate::connection::transaction::RoutedTransaction as DatabaseTransaction;

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
    /// # Errors
    /// Every problem of the configuration at once, or what the primary says, inside a `DbErr`; see
    /// [`Error::of`](crate::Error::of).
    pub async fn connect<C>(options: C) -> Result<DatabaseConnection, DbErr>
    where
        C: Into<ConnectOptions>,
    {
        let config = Config::from_env_with_options(options.into()).map_err(crate::Error::from)?;
        Ok(DatabaseConnection::connect(config).await?)
    }
}
