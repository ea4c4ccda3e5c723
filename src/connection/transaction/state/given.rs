//! A transaction given away whole, as SeaORM's own: what becomes of it is not seen here.

use std::sync::{Arc, LazyLock};

use sea_orm::{DatabaseConnection, DbBackend};

use super::TransactionState;
use crate::{causality::OpenWrite, error::DbErrKind, node::closed};

impl TransactionState {
    /// Leaves it to whoever has its connection now; whether there is anything to leave. It counts as open until its
    /// server says that it is over, however it ended: the hold on its node and what it may have changed live as long.
    /// Where that cannot be asked, as long as any unresolved write (rule C1).
    ///
    /// SeaORM's transaction gives no sign when it ends. Its metric callback would have been one, at the cost of two
    /// allocations for each transaction that is never given away.
    pub(in crate::connection::transaction) fn give_away(self) -> bool {
        // Nobody can wait here until the server has said whether it is over.
        if self.check(DbErrKind::Exec).is_err() || self.untold().is_some() {
            return false;
        }
        self.note_unseen();
        if self.is_outermost()
            && let Some(mut orphan) = self.root.write.get().and_then(OpenWrite::abandon)
        {
            orphan.keep(Arc::clone(&self.root) as Arc<_>);
        }
        true
    }
}

/// In the place of a transaction that must not go on: everything asked of it is an error.
pub(in crate::connection::transaction) fn nothing(
    backend: DbBackend,
) -> &'static DatabaseConnection {
    static POSTGRES: LazyLock<DatabaseConnection> = LazyLock::new(|| closed(DbBackend::Postgres));
    static MYSQL: LazyLock<DatabaseConnection> = LazyLock::new(|| closed(DbBackend::MySql));
    static SQLITE: LazyLock<DatabaseConnection> = LazyLock::new(|| closed(DbBackend::Sqlite));
    match backend {
        DbBackend::Postgres => &POSTGRES,
        DbBackend::MySql => &MYSQL,
        _ => &SQLITE,
    }
}
