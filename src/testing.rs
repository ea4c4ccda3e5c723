//! For the tests of an application (feature `testing`): where its statements went, and why.
//!
//! A test with one database passes whatever reads go to a replica, and a write on a replica shows in production only. What
//! stands here finds such places: [`assert_routed!`] says where the statements of a block went and why, [`record`] gives them
//! for a test's own questions. `docs/testing.md` is the guide.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use sea_orm::{ConnectionTrait, DbErr};
//! use sealane::{RoutedConnection, testing::assert_routed};
//!
//! /// What the application does.
//! async fn titles(db: &RoutedConnection) -> Result<usize, DbErr> {
//!     let select = sea_orm::Statement::from_string(db.get_database_backend(), "SELECT title FROM book");
//!     Ok(db.query_all_raw(select).await?.len())
//! }
//!
//! // A SQLite file is a cluster of one writer and its readers.
//! let folder = tempfile::tempdir()?;
//! let url = format!("sqlite://{}?mode=rwc", folder.path().join("books.db").display());
//! let db = RoutedConnection::builder().primary(url).connect().await?;
//! db.execute_unprepared("CREATE TABLE book (title text)").await?;
//!
//! let found = assert_routed!(db, replica, { titles(&db).await })?;
//! assert_eq!(found, 0);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```

mod assertion;
#[cfg(feature = "postgres")]
mod rolled_back;
mod simulation;

#[cfg(feature = "postgres")]
pub use self::rolled_back::RolledBack;
pub use self::{
    assertion::{Misrouted, assert_routed, routed},
    simulation::Simulation,
};
#[cfg(feature = "postgres")]
pub use crate::node::fence::Finding;
pub use crate::span::RoutedStatement;

use crate::{
    connection::RoutedConnection,
    span::{Recorders, StatementRecorder},
};

/// Runs a future, and gives with its output the statements that it sent to the cluster of this handle, in their order.
///
/// Every handle to the cluster counts, in whatever function it is used; each statement of a transaction counts, its `BEGIN`
/// and its end as well. Tests beside this one on the same handle are not seen. What the future spawns as a task is not either:
/// wrap that in [`carried`].
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sea_orm::ConnectionTrait;
/// use sealane::{Reason, testing};
///
/// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// let create = db.execute_unprepared("CREATE TABLE book (title text DEFAULT 'none yet')");
/// let (created, statements) = testing::record(&db, create).await;
/// created?;
/// assert_eq!(statements[0].text, "CREATE TABLE book (title text DEFAULT ?)");
/// assert_eq!(statements[0].reason, Some(Reason::Execute));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub async fn record<F: Future>(
    db: &RoutedConnection,
    future: F,
) -> (F::Output, Vec<RoutedStatement>) {
    let Ok(shared) = db.shared() else {
        return (future.await, Vec::new());
    };
    let recorder = StatementRecorder::of(shared);
    let output = Recorders::with(recorder.clone()).run(future).await;
    (output, recorder.statements())
}

/// Takes [`record`] and [`assert_routed!`] along into a task: what this future sends, wherever it runs, counts where this
/// function was called.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sea_orm::ConnectionTrait;
/// use sealane::testing::{assert_routed, carried};
///
/// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// let background = db.clone();
/// assert_routed!(db, primary, {
///     let work = async move { background.execute_unprepared("CREATE TABLE book (title text)").await };
///     tokio::spawn(carried(work)).await
/// })??;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    let recorders = Recorders::current();
    async move {
        match recorders {
            Some(recorders) => recorders.run(future).await,
            None => future.await,
        }
    }
}
