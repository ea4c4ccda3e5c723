//! A cluster of connections that a test made, whose bookmarks work.

use sea_orm::DatabaseConnection;

use crate::{cluster::start, connection::RoutedConnection, error::Error, node::adopted::Adopted};

/// A cluster of connections that a test made, mocks for one: as
/// [`from_connections`](RoutedConnection::from_connections), with positions. What was written is on the replicas when the test
/// says so, by [`replicate`](Self::replicate), and not before: so reads after a write, sessions, bookmarks and
/// [`wait_for_replicas`](RoutedConnection::wait_for_replicas) do what they do on servers, and nothing depends on time.
///
/// Each mock has a log of its own, which can be read while the handle lives on.
///
/// ```
/// # #[cfg(all(feature = "mock", feature = "postgres"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sea_orm::{ConnectionTrait, DbBackend, MockDatabase, MockExecResult, MockRow, Statement};
/// use sealane::testing::Simulation;
///
/// let primary = MockDatabase::new(DbBackend::Postgres)
///     .append_exec_results([MockExecResult { rows_affected: 1, ..Default::default() }])
///     .append_query_results([Vec::<MockRow>::new()]);
/// let replica = MockDatabase::new(DbBackend::Postgres).append_query_results([Vec::<MockRow>::new()]);
/// let cluster = Simulation::of(primary.into_connection(), [replica.into_connection()])?;
/// let db = cluster.connection();
///
/// let select = || Statement::from_string(DbBackend::Postgres, "SELECT title FROM book");
/// db.execute_unprepared("INSERT INTO book VALUES ('Emma')").await?;
/// let bookmark = db.bookmark().await?;
/// assert!(!bookmark.is_empty());
///
/// // The request of another client, which brings the bookmark: the replica need not have the book yet.
/// db.session_from(&bookmark).query_all_raw(select()).await?;
/// assert_eq!(cluster.primary_log().len(), 2);
///
/// cluster.replicate();
/// db.session_from(&bookmark).query_all_raw(select()).await?;
/// assert_eq!(cluster.replica_log(0).len(), 1);
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "mock", feature = "postgres")))]
/// # fn main() {}
/// ```
///
/// On SQLite, where reads are always fresh, bookmarks stay empty: give mocks of SQLite another backend.
#[derive(Clone, Debug)]
pub struct Simulation {
    db: RoutedConnection,
    #[cfg(feature = "mock")]
    primary: DatabaseConnection,
    #[cfg(feature = "mock")]
    replicas: Vec<DatabaseConnection>,
}

impl Simulation {
    /// A cluster of these connections.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when one of them leads nowhere, [`Error::Topology`] when they are of different backends.
    pub fn of(
        primary: DatabaseConnection,
        replicas: impl IntoIterator<Item = DatabaseConnection>,
    ) -> Result<Self, Error> {
        let replicas: Vec<DatabaseConnection> = replicas.into_iter().collect();
        let adopted = replicas.iter().cloned().map(Adopted::from).collect();
        let shared = start::simulate(primary.clone().into(), adopted)?;
        Ok(Self {
            db: RoutedConnection::of(shared),
            #[cfg(feature = "mock")]
            primary,
            #[cfg(feature = "mock")]
            replicas,
        })
    }

    /// The handle that the application gets.
    #[must_use]
    pub fn connection(&self) -> RoutedConnection {
        self.db.clone()
    }

    /// From here on every replica has what was written up to now: reads that have to see it may go there. A write that is under
    /// way is not among it.
    pub fn replicate(&self) {
        if let Ok(shared) = self.db.shared() {
            shared.tracker.replicate();
        }
    }
}

#[cfg(feature = "mock")]
impl Simulation {
    /// What was sent to the primary's mock since the last look.
    ///
    /// # Panics
    /// When the primary is not a mock, as SeaORM's does.
    #[must_use]
    pub fn primary_log(&self) -> Vec<sea_orm::Transaction> {
        self.primary.clone().into_transaction_log()
    }

    /// What was sent to the mock of one replica since the last look, counted from zero; nothing where there is no such replica.
    ///
    /// # Panics
    /// When it is not a mock, as SeaORM's does.
    #[must_use]
    pub fn replica_log(&self, replica: usize) -> Vec<sea_orm::Transaction> {
        let mock = self.replicas.get(replica).cloned();
        mock.map_or_else(Vec::new, DatabaseConnection::into_transaction_log)
    }
}
