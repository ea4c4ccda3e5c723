//! A session's position, out of this process and into it (rules C10–C12).

use std::{sync::Arc, time::Instant};

use sea_orm::DbBackend;

use crate::{
    causality::{ReadRequirement, Session},
    cluster::shared::Shared,
    connection::RoutedConnection,
    error::{Error, causes::PositionDelay},
    position::{Asks, Bookmark, Lsn, Position},
    positions::{
        arrival_requirement::ArrivalRequirement,
        bookmark_check::{self, Worth},
        wait::Look,
    },
};

impl RoutedConnection {
    /// What the current session wrote and saw, for a later one: in another request, job or process.
    ///
    /// It waits for the shared question to the primary that covers the session's last write, usually less than a
    /// millisecond; a session that wrote nothing has its bookmark at once. On SQLite, where reads are always fresh, it
    /// is empty, and so it is where no position can be had (connections that you made, mocks, some of MariaDB and MySQL): there
    /// this process itself keeps its reads on the primary, and nobody else's. A write whose outcome is unknown is not in
    /// it, because nobody can say where it would be.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// let session = db.session();
    /// session.execute_unprepared("INSERT INTO job VALUES (1)").await?;
    /// let payload = session.bookmark().await?.to_string();
    ///
    /// // In the worker that takes the job, perhaps another process:
    /// let session = db.session_from(&payload.parse()?);
    /// // Its reads see what was written before the job was handed over.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::PositionUntold`] when the primary does not answer within `SEALANE_ROUTE_TIMEOUT`, a write of the session
    /// is still under way then, or a bookmark that the session began from cannot be judged by then. What was written
    /// before stays written: such an error is no reason to write it again.
    pub async fn bookmark(&self) -> Result<Bookmark, Error> {
        let shared = self.shared()?;
        if shared.backend == DbBackend::Sqlite {
            return Ok(Bookmark::default());
        }
        let session = self.overrides.current(shared).own().session(&shared.clock);
        if let Some(until) = session.and_then(|session| session.stays_until()) {
            // It brought that, and what the primary has when it is brought again is all that it has seen.
            return Ok(Bookmark(Asks::Primary { until }));
        }
        match self.position(shared).await {
            Ok(position) => Ok(Bookmark(mark(shared, position))),
            // It comes after the write, which cannot fail any more.
            Err(Error::NoPosition) => Ok(Bookmark::default()),
            Err(err) => Err(err),
        }
    }

    /// A bookmark in as little time as a read may wait, `SEALANE_STALE_WAIT`: for a response that others wait for. What
    /// cannot be placed by then (a write that is not covered or unresolved, a primary that is silent or unknown, a
    /// bookmark that nobody can judge) makes it a bookmark of another kind, with which reads begin on the primary. An
    /// older one would not do: what it stands for lies before the write, and reads with it would miss that.
    #[cfg(feature = "tower")]
    pub(crate) async fn bookmark_in_time(&self) -> Bookmark {
        let Ok(shared) = self.shared() else {
            return Bookmark::default();
        };
        let tells = shared.tracker.has_positions();
        if shared.backend == DbBackend::Sqlite || !tells {
            return Bookmark::default();
        }
        let current = self.overrides.current(shared).own();
        let limit = self.overrides.stale_wait(shared);
        let placed = self.place(
            shared,
            ArrivalRequirement::now(&shared.tracker, current.clone()),
        );
        let mark = match tokio::time::timeout(limit, placed).await {
            Ok(Ok(position)) => mark(shared, position),
            Ok(Err(Error::NoPosition)) => Asks::Nothing,
            _ => current.unplaced(&shared.clock, shared.tracker.has_open_writes(&current)),
        };
        Bookmark(mark)
    }

    /// Where the current session stands, once a capture has told it.
    pub(super) async fn position(&self, shared: &Arc<Shared>) -> Result<Option<Position>, Error> {
        shared.until_awake().await;
        let current = self.overrides.current(shared).own();
        self.place(
            shared,
            ArrivalRequirement::without_unresolved(&shared.tracker, current),
        )
        .await
    }

    async fn place(
        &self,
        shared: &Arc<Shared>,
        mut awaited: ArrivalRequirement,
    ) -> Result<Option<Position>, Error> {
        let begun = Instant::now();
        let current = self.overrides.current(shared).own();
        let clock = &shared.clock;
        for session in current.obeyed(clock) {
            if session.has_rest() && shared.tracker.has_positions() {
                let deadline = begun + shared.config.route_timeout;
                bookmark_check::settle(&shared.tracker, &session, deadline)
                    .await
                    .map_err(|problem| untold(PositionDelay::Bookmark(problem), begun))?;
            }
            if session.has_rest() {
                // Reads that no position covers yet: the primary's covers them.
                current.saw(clock, None);
            }
        }
        let mut asked = false;
        let look = || match awaited.need(&shared.tracker) {
            ReadRequirement::Nothing => Look::Met(Ok(None)),
            ReadRequirement::Position { epoch, lsn } => {
                let epoch = clock.writes.epoch_of(epoch);
                let lsn = Lsn(lsn);
                Look::Met(Ok(epoch.map(|epoch| Position { epoch, lsn })))
            }
            ReadRequirement::Primary if !shared.tracker.has_positions() => {
                Look::Met(Err(Error::NoPosition))
            }
            ReadRequirement::Primary => {
                if !asked {
                    clock.writes.captures().ask();
                    asked = true;
                }
                Look::NotYet
            }
        };
        let deadline = begun + shared.config.route_timeout;
        let placed = shared.tracker.wait_until(deadline, look).await;
        placed.unwrap_or_else(|| {
            let why = match shared.snapshot.primary_name() {
                Some(node) => PositionDelay::PrimarySilent { node },
                None => PositionDelay::NoPrimary {
                    nodes: shared.snapshot.describe(),
                },
            };
            Err(untold(why, begun))
        })
    }

    /// This handle with a session that has seen what the bookmark stands for, and nothing else.
    ///
    /// The bookmark is held against the primary by the session's first read: one of another cluster is refused with
    /// [`Error::OtherCluster`]; one beyond what the primary has written, which nobody can have got from it, is ignored
    /// and counted; one of an earlier primaryship is exchanged for what survived of it, and so is one from before a
    /// restore. One of a primaryship that no node shows is ignored when all nodes answer that there is none. The first
    /// read waits for such an answer, no longer than `SEALANE_STALE_WAIT`; without it reads go to the primary until there
    /// is one, or with [`OnStale::Error`](crate::OnStale::Error) fail with [`Error::EpochNotSeen`] or
    /// [`Error::NotCaughtUp`].
    #[must_use]
    pub fn session_from(&self, bookmark: &Bookmark) -> Self {
        self.with_session(Session::from_bookmark(bookmark.0.clone()))
    }

    /// Lets the current session see what the bookmark stands for as well: it is what [`session_from`](Self::session_from)
    /// does, for a session that has begun.
    ///
    /// # Errors
    /// [`Error::OtherCluster`], where that is known at once; else the next read says so.
    pub fn observe(&self, bookmark: &Bookmark) -> Result<(), Error> {
        let shared = self.shared()?;
        let (clock, mark) = (&shared.clock, bookmark.0.clone());
        if bookmark_check::worth(&clock.writes, &mark, false) == Worth::Foreign {
            return Err(Error::OtherCluster);
        }
        self.overrides.current(shared).observe(clock, mark);
        Ok(())
    }
}

fn mark(shared: &Shared, position: Option<Position>) -> Asks {
    let mark = |position| shared.clock.writes.mark_of(position);
    position.map_or(Asks::Nothing, mark)
}

/// What was asked for came after the write, so that it says nothing of that (rule C12).
fn untold(why: PositionDelay, begun: Instant) -> Error {
    Error::PositionUntold {
        why,
        waited: begun.elapsed(),
    }
}
