//! What stands for a pool that is not there yet.

use std::time::Duration;

use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr};
use tokio::sync::watch;

/// Whoever wants a connection waits until there is a pool, and then turns to that one. It is certain that
/// nothing was sent: a connection that refuses (`DatabaseConnection::default()`) was rejected, since its error can
/// come from anywhere.
pub(crate) struct PendingPool {
    opened: watch::Receiver<()>,
    limit: Duration,
    /// For whoever asks for a connection of SeaORM's.
    pub(super) connection: DatabaseConnection,
}

impl PendingPool {
    /// A slot without a pool: waiters go on when the sender is dropped, or fail after this time.
    pub(crate) fn new(limit: Duration) -> (Self, watch::Sender<()>) {
        let (sender, opened) = watch::channel(());
        let absent = Self {
            opened,
            limit,
            connection: DatabaseConnection::default(),
        };
        (absent, sender)
    }

    /// Always an error: the pool is elsewhere.
    pub(super) async fn acquire<T>(&self) -> Result<T, DbErr> {
        let mut opened = self.opened.clone();
        let why = match tokio::time::timeout(self.limit, opened.changed()).await {
            Ok(_) => ConnAcquireErr::ConnectionClosed,
            Err(_) => ConnAcquireErr::Timeout,
        };
        Err(DbErr::ConnectionAcquire(why))
    }
}
