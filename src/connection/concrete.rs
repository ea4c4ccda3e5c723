//! SeaORM's own connection to the primary, for what insists on its type (rule C7).

use std::sync::LazyLock;

use sea_orm::DatabaseConnection;

use super::RoutedConnection;
use crate::session::Current;

impl RoutedConnection {
    /// SeaORM's own connection to the current primary: for migrations, RBAC, and functions that name SeaORM's type.
    ///
    /// Nothing done through it is routed, and none of it is seen. It comes from a pool of its own; while one of
    /// its connections is in use, and until a replica is known to have replayed what it may have written, reads of this
    /// process (of a session: those that began with it) go to the primary.
    /// (On that pool, an `after_release` function of the caller's pool options is replaced.) On SQLite, and where the
    /// application made the connection, it is the primary's own.
    ///
    /// When another node becomes the primary, call it again: the old reference stays valid and its pool is closed.
    ///
    /// # Panics
    /// Never. While no primary is known, every statement on what this gives is an error; a handle that was never
    /// connected gives SeaORM's `Disconnected` connection.
    #[must_use]
    pub fn concrete(&self) -> &DatabaseConnection {
        static DISCONNECTED: LazyLock<DatabaseConnection> =
            LazyLock::new(DatabaseConnection::default);
        if let Some(shared) = &self.shared {
            // What is done there may be a write of this session; of which task, nobody sees.
            match self.scope.current(shared) {
                Current::Session(session) | Current::Client(session) => session.uses_concrete(),
                Current::Task(_) => shared.clock.tasks.folded().uses_concrete(),
                Current::Process | Current::Untracked => {}
            }
        }
        match &self.shared {
            Some(shared) => shared.concrete.current(shared),
            None => &DISCONNECTED,
        }
    }
}
