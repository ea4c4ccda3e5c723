//! The way of our error into SeaORM's `DbErr` and out of it, and SeaORM's families of errors.

use std::{
    error::Error as StdError,
    fmt, io,
    sync::{Arc, OnceLock},
};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::{Error, Report};
use crate::vocabulary::Outcome;

/// Which of SeaORM's three families an error belongs to: the call decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DbErrKind {
    Conn,
    Exec,
    Query,
}

impl DbErrKind {
    /// The driver's error as SeaORM itself would give it for this call.
    pub(crate) fn of_sqlx(self, err: sqlx::Error) -> DbErr {
        let carried = RuntimeErr::SqlxError(Arc::new(err));
        match self {
            Self::Conn => DbErr::Conn(carried),
            Self::Exec => DbErr::Exec(carried),
            Self::Query => DbErr::Query(carried),
        }
    }
}

/// An error of ours inside of SeaORM's, with the cluster as it stood when it left the crate.
struct Carried {
    error: Error,
    report: OnceLock<Box<Report>>,
}

impl Carried {
    fn of(err: &DbErr) -> Option<&Self> {
        let (DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = err else {
            return None;
        };
        let RuntimeErr::SqlxError(sqlx) = runtime else {
            return None;
        };
        let sqlx::Error::Io(io) = sqlx.as_ref() else {
            return None;
        };
        io.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

impl Error {
    /// The sealane error that a `DbErr` carries, if it carries one.
    #[must_use]
    pub fn from_db_err(err: &DbErr) -> Option<&Error> {
        Carried::of(err).map(|carried| &carried.error)
    }

    /// The cluster as it stood when this error of ours came back: every node with its role and why it serves no reads, the
    /// epoch, the last switch. `None` where the error is the server's or the driver's own, or came from no cluster.
    ///
    /// Made only when something fails. For other errors there is [`Cluster::report`](crate::Cluster::report).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sea_orm::ConnectionTrait;
    /// use sealane::Error;
    ///
    /// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
    /// let insert = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "INSERT INTO note VALUES (1)");
    /// if let Err(err) = db.replica().query_one_raw(insert).await {
    ///     let report = Error::report(&err);
    ///     if let Some(report) = report {
    ///         eprintln!("{err}; cluster: {report}");
    ///     }
    /// #   assert_eq!(report.unwrap().primary.as_deref(), Some("memory"));
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn report(err: &DbErr) -> Option<&Report> {
        let report = Carried::of(err)?.report.get()?;
        Some(report)
    }

    /// Puts the cluster's state beside an error of ours; the first one stays.
    pub(crate) fn add_report(err: &DbErr, report: impl FnOnce() -> Report) {
        if let Some(carried) = Carried::of(err) {
            carried.report.get_or_init(|| Box::new(report()));
        }
    }

    /// Into a `DbErr` of the kind that SeaORM gives for the same call: `Conn` where nothing was executed.
    pub(crate) fn into_db(self, kind: DbErrKind) -> DbErr {
        let kind = if self.outcome() == Outcome::NotExecuted {
            DbErrKind::Conn
        } else {
            kind
        };
        let carried = Carried {
            error: self,
            report: OnceLock::new(),
        };
        let carried = RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(io::Error::other(carried))));
        match kind {
            DbErrKind::Conn => DbErr::Conn(carried),
            DbErrKind::Exec => DbErr::Exec(carried),
            DbErrKind::Query => DbErr::Query(carried),
        }
    }
}

impl From<Error> for DbErr {
    /// `?` in a function that returns `DbErr`. An error from the driver at start is handed on as it came.
    fn from(err: Error) -> Self {
        err.into_db(DbErrKind::Conn)
    }
}
