//! Narrower handles: the primary only, a replica only, a zone.

use std::sync::Arc;

use super::RoutedConnection;
use crate::{cluster::shared::Shared, route::Forced, words::Consistency};

/// What one handle asks for beyond what its cluster is configured to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) force: Forced,
    /// The cluster's, where nothing is said.
    pub(crate) consistency: Option<Consistency>,
    pub(crate) zone: Option<Arc<str>>,
}

impl Scope {
    /// What reads may miss.
    #[inline]
    pub(crate) fn level(&self, shared: &Shared) -> Consistency {
        self.consistency.unwrap_or(shared.config.consistency)
    }
}

impl RoutedConnection {
    /// This handle, with everything on the primary. Owned: bind it to a name before `stream` or `paginate`.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr, StreamTrait};
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), DbErr> {
    /// let primary = db.primary();
    /// let rows = StreamTrait::stream_raw(&primary, sea_orm::Statement::from_string(db.get_database_backend(), "SELECT 1")).await?;
    /// # drop(rows);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn primary(&self) -> Self {
        self.forced(Forced::Primary)
    }

    /// This handle, with replicas only: read-your-writes does not hold on it, a statement that is not proven to be a
    /// read is refused with [`Error::NotARead`](crate::Error::NotARead), and when replicas are configured and none is
    /// eligible it is [`Error::NoReplica`](crate::Error::NoReplica). With none configured, or with the splitting
    /// switched off, the primary serves it.
    #[must_use]
    pub fn replica(&self) -> Self {
        self.forced(Forced::Replica)
    }

    /// This handle, preferring replicas of this zone; the others serve when none of it is eligible.
    #[must_use]
    pub fn in_zone(&self, name: impl Into<Arc<str>>) -> Self {
        let mut other = self.clone();
        other.scope.zone = Some(name.into());
        other
    }

    /// This handle, with reads at this level instead of `SEALANE_CONSISTENCY`.
    ///
    /// ```no_run
    /// # use sea_orm::DbErr;
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), DbErr> {
    /// use sealane::Consistency;
    /// // A report that may be a moment old, whatever this process has just written.
    /// let reports = db.consistency(Consistency::Eventual);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn consistency(&self, level: Consistency) -> Self {
        let mut other = self.clone();
        other.scope.consistency = Some(level);
        other
    }

    fn forced(&self, force: Forced) -> Self {
        let mut other = self.clone();
        other.scope.force = force;
        other
    }
}
