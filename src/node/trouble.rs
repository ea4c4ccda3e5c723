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
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::Node;
use crate::config::NodeConfig;

/// For so long an answer says why its node is in doubt.
const RECENT: Duration = Duration::from_mins(1);

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

    /// It answered at the start. Later an answer on the monitor's own connection says nothing of new ones.
    pub(crate) fn settled(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The last answer, if it came after this.
    pub(crate) fn since(&self, begun: Instant) -> Option<DbErr> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.as_ref().filter(|(at, _)| *at >= begun);
        fresh.map(|(_, answer)| answer.clone())
    }

    /// The last answer, if it is so new that it says why the node is in doubt now.
    pub(crate) fn recent(&self) -> Option<DbErr> {
        self.since(Instant::now().checked_sub(RECENT)?)
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

impl Node {
    /// The same, reached directly in this way.
    pub(crate) fn reached(mut self, direct: Option<&NodeConfig>, trouble: &Arc<Trouble>) -> Self {
        self.direct = direct.cloned().map(Arc::new);
        self.trouble = Arc::clone(trouble);
        self
    }

    /// Host and port for messages; nothing where the application made the connection.
    pub(crate) fn place(&self) -> String {
        let direct = self.direct.as_deref();
        direct.map_or_else(String::new, |direct| direct.url.whole_place())
    }
}
