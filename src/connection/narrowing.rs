//! Narrower handles: the primary only, a replica only, a zone, a tag, a level of consistency.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::RoutedConnection;
use crate::{
    route::Forced,
    state::Preference,
    vocabulary::{Consistency, OnStale},
};

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
        self.preferring(|wanted| wanted.zone = Some(name.into()))
    }

    /// This handle, preferring replicas that are meant for this: those with the tag in their URL (`?tags=reports`). When
    /// none of them is eligible, or known to have what a read has to see, the read goes where it would go without the tag:
    /// it is a preference, as a zone is, and never an error. One tag; the last one counts. With a zone, the handle's or the
    /// configured one, it is first the tag in that zone, then the tag anywhere, then the zone.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), sealane::Error> {
    /// # use sealane::RoutedConnection;
    /// let db = RoutedConnection::builder()
    ///     .primary("postgres://app:secret@db1/app")
    ///     .replicas(["db2", "db3?tags=reports"])
    ///     .connect()
    ///     .await?;
    /// let reports = db.tagged("reports"); // db3, while it serves
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tagged(&self, tag: impl Into<Arc<str>>) -> Self {
        self.preferring(|wanted| wanted.tag = Some(tag.into()))
    }

    /// This handle, with reads at this level instead of `SEALANE_CONSISTENCY`.
    ///
    /// ```no_run
    /// # use sea_orm::DbErr;
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), DbErr> {
    /// use sealane::Consistency;
    /// // A report that may be a moment old, whatever this process has just written.
    /// let reports = db.with_consistency(Consistency::Eventual);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_consistency(&self, level: Consistency) -> Self {
        let mut other = self.clone();
        other.overrides.consistency = Some(level);
        other
    }

    /// This handle, with this instead of `SEALANE_ON_STALE` for reads that no replica is known to be fresh enough for.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn f(db: sealane::RoutedConnection) {
    /// use sealane::OnStale;
    /// // Rather a few milliseconds late than on the primary.
    /// let patient = db.with_on_stale(OnStale::Wait).with_stale_wait(Duration::from_millis(20));
    /// # }
    /// ```
    #[must_use]
    pub fn with_on_stale(&self, what: OnStale) -> Self {
        let mut other = self.clone();
        other.overrides.on_stale = Some(what);
        other
    }

    /// This handle, with this instead of `SEALANE_STALE_WAIT`: how long a read waits for a replica that is fresh
    /// enough, where it waits. At most an hour.
    #[must_use]
    pub fn with_stale_wait(&self, limit: Duration) -> Self {
        let mut other = self.clone();
        let limit = limit.min(Duration::from_secs(60 * 60));
        other.overrides.stale_wait = u32::try_from(limit.as_micros() + 1)
            .ok()
            .and_then(NonZeroU32::new);
        other
    }

    /// This handle, with replicas only that are at most so far behind, instead of `SEALANE_MAX_LAG` (which holds as
    /// well): an upper bound, known to within a check's interval, so at least twice that makes sense. When no replica
    /// is known to be within it, the primary serves the read. Where lag is not observed (MariaDB, MySQL, connections
    /// that the application made), every replica is.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn f(db: sealane::RoutedConnection) {
    /// let prices = db.with_max_lag(Duration::from_secs(3));
    /// # }
    /// ```
    #[must_use]
    pub fn with_max_lag(&self, most: Duration) -> Self {
        let mut other = self.clone();
        let millis = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
        other.overrides.max_lag = NonZeroU32::new(millis.max(1));
        other
    }

    fn preferring(&self, change: impl FnOnce(&mut Preference)) -> Self {
        let mut other = self.clone();
        change(Arc::make_mut(
            other.overrides.preference.get_or_insert_default(),
        ));
        other
    }

    fn forced(&self, force: Forced) -> Self {
        let mut other = self.clone();
        other.overrides.force = force;
        other
    }
}
