//! A session's position, out of this process and into it (rules C10–C12).

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use sea_orm::DbBackend;

use crate::{
    cluster::{
        awaited::Awaited,
        bookmarks::{self, Worth},
        shared::Shared,
    },
    connection::RoutedConnection,
    error::Error,
    position::{Bookmark, Lsn, Position},
    session::{Need, Session},
};

impl RoutedConnection {
    /// What the current session wrote and saw, for a later one: in another request, job or process.
    ///
    /// It waits for the shared question to the primary that covers the session's last write, usually less than a
    /// millisecond; a session that wrote nothing has its bookmark at once. On SQLite, where reads are always fresh, it
    /// is empty, and so it is where no position can be had (connections that you made, mocks, MariaDB and MySQL): there
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
    /// is still under way then, or a bookmark that the session began from cannot be used. What was written before stays
    /// written: such an error is no reason to write it again.
    pub async fn bookmark(&self) -> Result<Bookmark, Error> {
        let shared = self.shared()?;
        if shared.backend == DbBackend::Sqlite {
            return Ok(Bookmark::default());
        }
        match self.position(shared).await {
            Ok(position) => Ok(Bookmark(position)),
            // It comes after the write, which cannot fail any more.
            Err(Error::NoPosition { .. }) => Ok(Bookmark::default()),
            Err(err) => Err(err),
        }
    }

    /// Where the current session stands, once a capture has told it.
    pub(super) async fn position(&self, shared: &Arc<Shared>) -> Result<Option<Position>, Error> {
        let begun = Instant::now();
        let current = self.scope.current(shared).own();
        let clock = &shared.clock;
        if let Some(session) = current.session(clock)
            && session.has_rest()
        {
            if shared.positions.load(Ordering::Acquire) {
                let deadline = begun + shared.settings.route_timeout;
                bookmarks::settle(shared, &session, deadline)
                    .await
                    .map_err(|err| untold(&err, begun))?;
            }
            if session.has_rest() {
                // Reads that no position covers yet: the primary's covers them.
                current.saw(clock, None);
            }
        }
        let mut awaited = Awaited::without_lost(shared, current);
        let mut asked = false;
        loop {
            let mut news = pin!(clock.news.notified());
            // From here on nothing is missed, whatever is looked at next.
            news.as_mut().enable();
            match awaited.need(shared) {
                Need::Nothing => return Ok(None),
                Need::Position { epoch, lsn } => {
                    let epoch = clock.epoch_of(epoch);
                    return Ok(epoch.map(|epoch| Position {
                        epoch,
                        lsn: Lsn(lsn),
                    }));
                }
                Need::Primary if !shared.positions.load(Ordering::Acquire) => {
                    return Err(Error::NoPosition {
                        why: "the primary does not tell it".to_owned(),
                    });
                }
                Need::Primary if !asked => {
                    clock.ask();
                    asked = true;
                }
                Need::Primary => {}
            }
            let deadline = begun + shared.settings.route_timeout;
            if tokio::time::timeout_at(deadline.into(), news)
                .await
                .is_err()
            {
                let why = format!("`{}` has not told it", shared.primary_name());
                return Err(untold(&why, begun));
            }
        }
    }

    /// This handle with a session that has seen what the bookmark stands for, and nothing else.
    ///
    /// The bookmark is held against the primary by the session's first read: one of another cluster is refused with
    /// [`Error::OtherCluster`]; one beyond what the primary has written, which nobody can have got from it, is ignored
    /// and counted; one of an earlier primaryship is exchanged for what survived of it; for one of a primaryship that
    /// no node shows, reads wait and fail with [`Error::EpochNotSeen`] unless all nodes answer that there is none.
    #[must_use]
    pub fn session_from(&self, bookmark: &Bookmark) -> Self {
        self.with_session(Session::from_bookmark(bookmark.0))
    }

    /// Lets the current session see what the bookmark stands for as well: it is what [`session_from`](Self::session_from)
    /// does, for a session that has begun.
    ///
    /// # Errors
    /// [`Error::OtherCluster`], where that is known at once; else the next read says so.
    pub fn observe(&self, bookmark: &Bookmark) -> Result<(), Error> {
        let shared = self.shared()?;
        let Some(position) = bookmark.0 else {
            return Ok(());
        };
        let clock = &shared.clock;
        let over = clock.is_over(position.epoch);
        if bookmarks::judge(position, clock.greatest(), (over, false)) == Worth::Foreign {
            return Err(Error::OtherCluster);
        }
        self.scope.current(shared).observe(clock, position);
        Ok(())
    }
}

/// What was asked for came after the write, so that it says nothing of that (rule C12).
fn untold(why: &impl ToString, begun: Instant) -> Error {
    Error::PositionUntold {
        why: why.to_string(),
        waited: begun.elapsed(),
    }
}
