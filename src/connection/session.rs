//! Sessions: whose writes a handle's reads have to see (rules C8, C10–C13).

mod bookmark;
mod replicas;

use std::sync::Arc;

use super::RoutedConnection;
use crate::{
    causality::{Current, Session, within},
    cluster::shared::Shared,
};

/// Runs a future in the session of this handle: whatever plain handle to the same cluster it uses, its reads see what
/// was written and read in the session, and what it writes is the session's.
///
/// A handle without a session of its own gives it a new one, as [`session`](RoutedConnection::session) makes it. A
/// handle that has a session keeps it. Scopes nest: the innermost of each cluster counts, so scopes of two clusters lie
/// in each other without disturbing one another. A task that is spawned inside begins outside of it: wrap what you
/// spawn as well.
///
/// ```no_run
/// # async fn handle(_: &sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> { Ok(()) }
/// # async fn f(db: sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> {
/// let session = db.session();
/// // Inside, `db` itself reads and writes in the session.
/// sealane::scope(&session, handle(&db)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn scope<F: Future>(session: &RoutedConnection, future: F) -> F::Output {
    let Some(shared) = &session.shared else {
        return future.await;
    };
    let own = match &session.overrides.session {
        Some(own) => Arc::clone(own),
        None => Arc::new(session.begin_session(shared)),
    };
    within(Arc::clone(&shared.clock), own, future).await
}

impl RoutedConnection {
    /// This handle with a session of its own, which goes on from here: its reads see what the current session (by
    /// default the process) wrote up to now, and what is written through it and its clones from now on. What others
    /// write later does not keep it from the replicas.
    ///
    /// It costs one allocation. What it writes counts for the process as well. When its last handle is dropped it is
    /// forgotten; writes that are still under way end as usual.
    ///
    /// ```no_run
    /// # use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait};
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), DbErr> {
    /// let session = db.session();
    /// session.execute_unprepared("INSERT INTO note VALUES (1)").await?;
    /// // Sees the note, on whichever node has it; other sessions' writes do not matter to it.
    /// let stmt = sea_orm::Statement::from_string(db.get_database_backend(), "SELECT count(*) FROM note");
    /// let row = session.query_one_raw(stmt).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn session(&self) -> Self {
        match &self.shared {
            Some(shared) => self.with_session(self.begin_session(shared)),
            None => self.clone(),
        }
    }

    /// This handle with a session that knows of no write: its first reads may go to any replica.
    #[must_use]
    pub fn empty_session(&self) -> Self {
        self.with_session(Session::default())
    }

    /// This handle without a session: its reads see what the replicas have, as with
    /// [`Consistency::Eventual`](crate::Consistency::Eventual), and what it writes is not looked for by anybody's
    /// reads. For bulk loads beside an application that shall keep its replicas.
    #[must_use]
    pub fn untracked(&self) -> Self {
        let mut other = self.clone();
        other.overrides.session = None;
        other.overrides.untracked = true;
        other
    }

    /// Lets the current session take note of something that was written past this handle: by another service, a raw
    /// connection, a trigger of a queue. As after a write of its own, its reads go to the primary until a replica is
    /// known to have replayed everything that the primary had written when this was called; where no position can be
    /// had, for `SEALANE_PIN`, and without that for good. To stay there for longer, use [`primary`](Self::primary).
    ///
    /// ```no_run
    /// # async fn f(db: sealane::RoutedConnection) {
    /// // A webhook says that the billing service has changed the invoice.
    /// db.note_external_write();
    /// // Reads of this process see the change.
    /// # }
    /// ```
    pub fn note_external_write(&self) {
        if let Some(shared) = &self.shared {
            shared.tracker.wrote(&self.overrides.current(shared));
        }
    }

    /// How often a position of the current session was of a primaryship that ended: what it wrote or saw last before
    /// may be lost with the old primary, and its reads see what survived. Not 0 is a reason to look.
    #[must_use]
    pub fn positions_lost(&self) -> u64 {
        let shared = self.shared.as_ref();
        let lost = shared.and_then(|shared| {
            let session = self.overrides.current(shared).session(&shared.clock)?;
            Some(session.positions_lost())
        });
        lost.unwrap_or_default()
    }

    /// The session of a client's request. `narrow`: it knows what the client brings and nothing else; where no position
    /// can be had, the client brings nothing, and what the process wrote last counts for it.
    #[cfg(feature = "tower")]
    pub(crate) fn session_of_client(
        &self,
        bookmark: &crate::position::Bookmark,
        narrow: bool,
    ) -> Self {
        let Some(shared) = &self.shared else {
            return self.clone();
        };
        let positions =
            shared.backend == sea_orm::DbBackend::Sqlite || shared.tracker.has_positions();
        let session = match (positions, narrow) {
            (false, true) => self.begin_session(shared),
            (true, true) => Session::default(),
            (true, false) if !bookmark.is_empty() => Session::beside_process(&shared.clock),
            (_, false) => Session::of_client(self.overrides.current(shared)),
        };
        // A bookmark that was given while there were no positions stands for nothing.
        session.wrote(shared.tracker.untold_until());
        session.forgive_foreign();
        self.with_session(session)
    }

    /// Whether the current session wrote or saw something that this bookmark does not stand for, or it stands for what is
    /// over.
    #[cfg(feature = "tower")]
    pub(crate) fn moved_from(&self, bookmark: &crate::position::Bookmark) -> bool {
        self.shared.as_ref().is_some_and(|shared| {
            let session = self.overrides.current(shared).session(&shared.clock);
            session.is_some_and(|session| session.moved_from(&shared.clock.writes, &bookmark.0))
        })
    }

    fn begin_session(&self, shared: &Shared) -> Session {
        let current = self.overrides.current(shared);
        // Before the clock is read: what it finds closed behind our back counts as a write.
        let concrete = shared.tracker.has_unseen(&current);
        match current.session(&shared.clock) {
            Some(session) => {
                let session = session.after(&shared.clock.writes, concrete);
                if let Some(seen) = current
                    .outer()
                    .and_then(|outer| outer.session(&shared.clock))
                {
                    session.join(&shared.clock.writes, &seen);
                }
                if let Current::Task(_) = current {
                    // A task obeys what was folded from others as well.
                    session.join(&shared.clock.writes, shared.clock.tasks.folded());
                }
                session
            }
            None => match current {
                // A task that has not written obeys what was folded from others.
                Current::Task(_) => shared
                    .clock
                    .tasks
                    .folded()
                    .after(&shared.clock.writes, concrete),
                _ => Session::default(),
            },
        }
    }

    fn with_session(&self, session: Session) -> Self {
        let mut other = self.clone();
        other.overrides.untracked = false;
        other.overrides.session = Some(Arc::new(session));
        other
    }
}
