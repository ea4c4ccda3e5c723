//! What opening a connection to a node failed with last.
//!
//! A pool hides it: sqlx tries a refused connection again for its whole acquire time-out and then says that it timed out.
//! So whoever opens a connection beside the pools (the monitor, the start, a statement that waits for long) says here
//! what the server answered, and errors repeat it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::Node;
use crate::{
    config::NodeConfig,
    signal::{self, Silence},
};

/// For so long an answer says why its node is in doubt.
const RECENT: Duration = Duration::from_mins(1);

/// A server is asked for a connection for this only once in such a time, since it has enough to do when statements wait,
/// and what is told of it in the log is told so often.
const REST: Duration = Duration::from_secs(1);

/// A server that has let the last one in is asked only after such a time: it says nothing of why others wait, and each question
/// is a login.
const LONG_REST: Duration = Duration::from_secs(10);

/// One node's, for all of its pools.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    said: Mutex<Said>,
    asking: AtomicBool,
    asked: Rests,
    told: Rests,
}

type At = Option<(Instant, DbErr)>;

/// Silence on a connection that is open says that its node is in doubt, and not why there is no other: one check that was
/// missed under load would stand for the reason, and in the place of what the server said to whoever asked.
#[derive(Debug, Default)]
struct Said {
    last: At,
    /// To an attempt to open one.
    refused: At,
}

fn later(answer: &At, begun: Instant) -> Option<DbErr> {
    let since = answer.as_ref().filter(|(at, _)| *at >= begun);
    since.map(|(_, answer)| answer.clone())
}

/// Somebody asks; ends with whoever does.
pub(crate) struct Asking(Arc<Trouble>);

impl Trouble {
    /// A connection could not be opened, or was not answered on.
    pub(crate) fn failed(&self, err: &DbErr) {
        let answer = Some((Instant::now(), err.clone()));
        let mut said = self.said();
        if !Silence::is_on_a_connection(err) {
            said.refused.clone_from(&answer);
        }
        said.last = answer;
    }

    /// A new connection could be opened. An answer on the monitor's own says nothing of new ones.
    pub(crate) fn settled(&self) {
        *self.said() = Said::default();
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last answer, if it came after this.
    pub(crate) fn since(&self, begun: Instant) -> Option<DbErr> {
        later(&self.said().last, begun)
    }

    /// The last answer to an attempt to open a connection, if it came after this.
    pub(crate) fn refused_since(&self, begun: Instant) -> Option<DbErr> {
        later(&self.said().refused, begun)
    }

    /// The last answer, if it is so new that it says why the node is in doubt now.
    pub(crate) fn recent(&self) -> Option<DbErr> {
        self.since(Instant::now().checked_sub(RECENT)?)
    }

    /// Whether an attempt of this kind is under way.
    pub(crate) fn is_asked(&self) -> bool {
        self.asking.load(Ordering::Acquire)
    }

    /// Why a statement that waits since then got no connection: what an attempt to open one was last answered since, or
    /// just before, when it was not asked again; while it is asked, whatever it said before.
    pub(crate) fn why(&self, begun: Instant) -> Option<DbErr> {
        let before = || {
            let recent = self.refused_since(Instant::now().checked_sub(RECENT)?);
            recent.filter(|_| self.is_asked())
        };
        self.refused_since(begun.checked_sub(REST)?).or_else(before)
    }

    /// The trouble in words, with the error that says so. `full`: this process has or opens all that this setting
    /// allows.
    pub(crate) fn explain(&self, begun: Instant, full: Option<&str>) -> (String, Option<DbErr>) {
        let beside = full.map_or_else(String::new, |setting| {
            format!("; this process has all connections open or being opened that it may have there ({setting})")
        });
        let answer = self.why(begun);
        let detail = match (&answer, self.is_asked(), full) {
            (Some(answer), ..) => {
                let told = signal::told(answer);
                format!("the last answer to an attempt to open one: {told}{beside}")
            }
            (None, true, _) => {
                format!("an attempt to open one has had no answer yet{beside}")
            }
            (None, false, Some(setting)) => format!(
                "all connections that this process may have there are in use ({setting}); look for what holds them for so \
                 long, or raise that"
            ),
            (None, false, None) => "no connection was free and none could be opened in time; look whether the server is overloaded"
                .to_owned(),
        };
        (detail, answer)
    }

    /// The right to open a connection and say what came of it: one at a time and not at once again, or a server that is
    /// short of connections would have one asker for each statement.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Asking> {
        if self.asking.swap(true, Ordering::AcqRel) {
            return None;
        }
        let asking = Asking(Arc::clone(self));
        self.asked.is_due(Instant::now()).then_some(asking)
    }

    /// Whether a line of the log is due that says the same of each statement.
    pub(crate) fn may_tell(&self) -> bool {
        self.told.is_due(Instant::now())
    }
}

/// What is not done again at once.
#[derive(Debug, Default)]
struct Rests(Mutex<Option<Instant>>);

impl Rests {
    /// Puts the next time off, since nothing was learned by this one.
    fn rest_long(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + (LONG_REST - REST));
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| now >= at + REST);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl Asking {
    /// What came of it.
    pub(crate) fn ends(self, answer: Result<(), DbErr>) {
        match answer {
            Ok(()) => {
                self.0.settled();
                self.0.asked.rest_long(Instant::now());
            }
            Err(err) => self.0.failed(&err),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
    }
}

impl Node {
    /// This node, reached directly in this way.
    pub(crate) fn reached(mut self, direct: Option<&NodeConfig>, trouble: &Arc<Trouble>) -> Self {
        self.direct = direct.cloned().map(Arc::new);
        self.trouble = Arc::clone(trouble);
        self
    }

    /// Host and port for messages; nothing where the application made the connection.
    pub(crate) fn address(&self) -> String {
        let direct = self.direct.as_deref();
        direct.map_or_else(String::new, |direct| direct.url.whole_address())
    }
}
