//! Holding writes back for a planned change of the primary (T13).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use super::RoutedConnection;
use crate::{
    causality::gate::Shut,
    cluster::{Cluster, shared::Shared},
    error::{Error, causes::UnderWay},
    position::Bookmark,
};

/// The time between two looks whether the last write has ended.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Writes of this process wait until this is dropped; see [`Cluster::pause_writes`].
#[must_use = "dropping it lets the writes go on"]
pub struct PausedWrites {
    shared: Arc<Shared>,
    shut: Shut,
    position: Bookmark,
}

impl PausedWrites {
    /// What this process had written when the last write had ended. A server that has replayed this lacks nothing of it;
    /// empty where no position can be had.
    #[must_use]
    pub fn bookmark(&self) -> Bookmark {
        self.position.clone()
    }
}

impl Drop for PausedWrites {
    /// The writes go on once the nodes were asked who the primary is, or at the latest after `SEALANE_CHECK_TIMEOUT`.
    fn drop(&mut self) {
        let opening = PauseEnd(Arc::clone(&self.shared), self.shut);
        let Some(runtime) = self.shared.worker.runtime.clone() else {
            return;
        };
        // A runtime that has ended drops this at once, and with it what opens the gate.
        runtime.spawn(
            async move {
                let shared = &opening.0;
                if let Some(primary) = shared.snapshot.primary_node() {
                    shared.check(primary.id).await;
                }
            }
            .boxed(),
        );
    }
}

/// Opens the gate when it is dropped, wherever that is.
struct PauseEnd(Arc<Shared>, Shut);

impl Drop for PauseEnd {
    fn drop(&mut self) {
        self.0.clock.gate.open(self.1);
    }
}

impl std::fmt::Debug for PausedWrites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PausedWrites")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// The gate is opened again unless the pause came about.
struct Undo<'a>(Option<(&'a Shared, Shut)>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some((shared, shut)) = self.0 {
            shared.clock.gate.open(shut);
        }
    }
}

impl Cluster {
    /// Holds back new writes and new transactions that may write, in this process, and returns when none is under way
    /// any more: for a planned switch-over. What has begun may end. What is held back waits, up to its own time limits,
    /// until the guard is dropped, and goes to whoever is the primary then. Reads go on.
    ///
    /// A pause ends by itself after ten minutes, whatever became of the guard.
    ///
    /// Every process that writes has to pause; `docs/switch-over.md` shows the order of steps.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn switch_over() {}
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), sealane::Error> {
    /// let paused = db.cluster().pause_writes(Duration::from_secs(5)).await?;
    /// switch_over().await;
    /// drop(paused);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::StillWriting`] when something was under way for longer than the limit, or the writes are paused already:
    /// then nothing is held back.
    pub async fn pause_writes(&self, limit: Duration) -> Result<PausedWrites, Error> {
        let shared = self.shared()?;
        let begun = Instant::now();
        // One that does not wake in time is found out by the question for the position.
        let _ = tokio::time::timeout(limit, shared.until_awake()).await;
        let gate = &shared.clock.gate;
        let Some(shut) = gate.shut() else {
            return Err(Error::StillWriting {
                what: UnderWay::Paused,
                waited: Duration::ZERO,
            });
        };
        let mut undo = Undo(Some((shared, shut)));
        loop {
            let (open, concrete) = (gate.under_way(), shared.concrete.is_busy(&shared.snapshot));
            if open == 0 && !concrete {
                break;
            }
            if begun.elapsed() >= limit {
                let what = match concrete {
                    true => UnderWay::Concrete,
                    false => UnderWay::Writes { count: open },
                };
                return Err(Error::StillWriting {
                    what,
                    waited: begun.elapsed(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let left = limit.saturating_sub(begun.elapsed()).max(LOOK_EVERY);
        let handle = RoutedConnection::of(Arc::clone(shared));
        let asked = tokio::time::timeout(left, handle.bookmark()).await;
        let position = match asked {
            Ok(Ok(position)) => position,
            // The servers give none, or there is no primary to ask: nothing is written all the same.
            _ => Bookmark::default(),
        };
        undo.0 = None;
        Ok(PausedWrites {
            shared: Arc::clone(shared),
            shut,
            position,
        })
    }
}
