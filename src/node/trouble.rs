//! What opening a connection to a node failed with last.
//!
//! A pool hides it: sqlx tries a refused connection again for its whole acquire time-out and then says that it timed out.
//! So whoever opens a connection beside the pools (the monitor, the start, a statement that waits for long) says here
//! what the server answered, and errors repeat it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sea_orm::DbErr;

/// One node's, for all of its pools.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    last: Mutex<Option<(Instant, DbErr)>>,
    asking: AtomicBool,
}

/// Somebody asks; ends with whoever does.
pub(crate) struct Asking(Arc<Trouble>);

impl Trouble {
    /// A connection could not be opened, or was not answered on.
    pub(crate) fn failed(&self, err: &DbErr) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), err.clone()));
    }

    /// The last answer, if it came after this.
    pub(crate) fn since(&self, begun: Instant) -> Option<DbErr> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.as_ref().filter(|(at, _)| *at >= begun);
        fresh.map(|(_, answer)| answer.clone())
    }

    /// Whether an attempt of this kind is under way.
    pub(crate) fn is_asked(&self) -> bool {
        self.asking.load(Ordering::Acquire)
    }

    /// The right to open a connection and say what came of it: one at a time, or a server that is short of connections
    /// would have one asker for each statement.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Asking> {
        let first = !self.asking.swap(true, Ordering::AcqRel);
        first.then(|| Asking(Arc::clone(self)))
    }
}

impl Asking {
    /// What came of it.
    pub(crate) fn ends(self, answer: Result<(), DbErr>) {
        if let Err(err) = answer {
            self.0.failed(&err);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
    }
}
