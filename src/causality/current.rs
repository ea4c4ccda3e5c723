//! Whose session a statement belongs to, and what its reads need. What it leaves behind: [`notes`].

mod notes;

use std::sync::Arc;

use super::{
    Clock, Current, Session,
    monotonic::ReadAffinity,
    pin::{Mark, Stood},
};
#[cfg(feature = "tower")]
use super::{pending_writes::UNKNOWN_HOLD, waiting::unix_time};
#[cfg(feature = "tower")]
use crate::position::Asks;

impl Current {
    /// An explicit session, or a client's.
    #[inline]
    pub(crate) fn of(session: Arc<Session>) -> Self {
        match session.outer {
            None => Self::Session(session),
            Some(_) => Self::Client(session),
        }
    }

    /// What the session wrote and saw itself.
    pub(crate) fn own(self) -> Self {
        match self {
            Self::Client(session) => Self::Session(session),
            other => other,
        }
    }

    /// What a client's reads see beside what it wrote.
    pub(crate) fn outer(&self) -> Option<&Self> {
        match self {
            Self::Client(session) => session.outer.as_ref(),
            Self::Process | Self::Session(_) | Self::Task(_) | Self::Untracked => None,
        }
    }

    /// The own session and the outer one, for what is a client's.
    pub(super) fn both(session: &Arc<Session>) -> (Self, &Self) {
        let outer = session.outer.as_ref().unwrap_or(&Self::Untracked);
        (Self::Session(Arc::clone(session)), outer)
    }

    /// How it stands now, where there is only time.
    pub(crate) fn stands(&self, clock: &Clock) -> Stood {
        Stood {
            pin: self.mark(clock),
            written: self.written(clock),
        }
    }

    /// The session itself, where there is one.
    pub(crate) fn session(&self, clock: &Clock) -> Option<Arc<Session>> {
        match self {
            Self::Process => Some(Arc::clone(&clock.process)),
            Self::Session(session) | Self::Client(session) => Some(Arc::clone(session)),
            Self::Task(task) => clock.tasks.get(*task),
            Self::Untracked => None,
        }
    }

    /// Whether bookmarks or reads of it wait to be looked at.
    #[inline]
    pub(crate) fn has_rest(&self, clock: &Clock) -> bool {
        match self {
            Self::Process => clock.process.has_rest(),
            Self::Session(session) => session.has_rest(),
            Self::Client(session) => {
                let (own, outer) = Self::both(session);
                own.has_rest(clock) || outer.has_rest(clock)
            }
            Self::Task(task) => {
                let own = clock.tasks.get(*task);
                own.is_some_and(|own| own.has_rest()) || clock.tasks.folded().has_rest()
            }
            Self::Untracked => false,
        }
    }

    /// Every session that its reads obey: its own, those beside it, and for a task what was folded from others.
    pub(crate) fn obeyed(&self, clock: &Clock) -> Vec<Arc<Session>> {
        let mut all: Vec<_> = self.session(clock).into_iter().collect();
        if let Self::Task(_) = self {
            all.push(Arc::clone(clock.tasks.folded()));
        }
        if let Some(outer) = self.outer() {
            all.extend(outer.obeyed(clock));
        }
        all
    }

    /// Whether writes of it have not returned although nobody waits for them, and whether of others nothing more will
    /// be heard.
    pub(crate) fn open_writes(&self, clock: &Clock) -> (bool, bool) {
        let (outer_waits, outer_unresolved) = self
            .outer()
            .map_or((false, false), |outer| outer.open_writes(clock));
        let (waits, unresolved) = match self {
            Self::Process => clock.process.open_writes(&clock.writes),
            Self::Session(session) | Self::Client(session) => session.open_writes(&clock.writes),
            Self::Task(task) => clock.tasks.open_writes(&clock.writes, *task),
            Self::Untracked => (false, false),
        };
        (waits || outer_waits, unresolved || outer_unresolved)
    }

    /// Where the session may read, as far as earlier reads bind it.
    pub(crate) fn bound(&self, clock: &Clock) -> ReadAffinity {
        let own = match self.session(clock) {
            Some(session) if session.has_rest() => session.bound(&clock.writes),
            _ => ReadAffinity::No,
        };
        match self.outer() {
            Some(outer) => own.and(outer.bound(clock)),
            None => own,
        }
    }

    /// What a later session has to bring that sees what this one wrote and brought, where no position can be had in
    /// time: whatever the primary has then; and while something may still be executed, nothing but the primary.
    ///
    /// `open`: some of its writes have not returned, or are unresolved.
    #[cfg(feature = "tower")]
    pub(crate) fn unplaced(&self, clock: &Clock, open: bool) -> Asks {
        let own = open.then(|| unix_time() + UNKNOWN_HOLD.as_secs());
        let session = self.session(clock);
        let brought = session.and_then(|session| session.stays_until());
        Asks::Primary {
            until: own.max(brought).unwrap_or(0),
        }
    }

    /// How its time pin stands.
    fn mark(&self, clock: &Clock) -> Mark {
        let outer = self
            .outer()
            .map_or(Mark::default(), |outer| outer.mark(clock));
        match self {
            Self::Process => clock.process.mark(&clock.writes),
            Self::Session(session) | Self::Client(session) => {
                session.mark(&clock.writes).max(outer)
            }
            Self::Task(task) => clock.tasks.mark(&clock.writes, *task),
            Self::Untracked => outer,
        }
    }

    /// Whether what is done through `concrete()` may be its own.
    pub(crate) fn may_use_concrete(&self) -> bool {
        match self {
            Self::Process | Self::Task(_) => true,
            Self::Session(session) => session.may_use_concrete(),
            Self::Client(session) => {
                let (_, outer) = Self::both(session);
                session.may_use_concrete() || outer.may_use_concrete()
            }
            Self::Untracked => false,
        }
    }
}
