//! The bookmarks that a session brought, until they were held against the primary (rules C10, C11).

use super::Session;
use crate::{
    causality::{
        pending_writes::UNKNOWN_HOLD,
        waiting::{WaitingBookmark, unix_time},
    },
    position::Asks,
};

/// How many may wait in one session.
const MOST_BOOKMARKS: usize = 64;

impl Session {
    /// A session that has to see what this stands for, and nothing else.
    pub(crate) fn from_bookmark(mark: Asks) -> Self {
        let session = Self::default();
        session.observe(mark);
        session
    }

    /// The session has to see what a bookmark stands for, once that was held against the primary.
    ///
    /// Nobody need ever read in it, so only so many wait. True when one gave way: what the primary has now covers it.
    pub(crate) fn observe(&self, mark: Asks) -> bool {
        if mark == Asks::Nothing {
            return false;
        }
        let mut rest = self.rest();
        if let Asks::Primary { .. } = mark {
            // It stands for what the primary has when it comes, so a later one of the same text stands for more.
            rest.bookmarks.retain(|one| one.mark != mark);
        }
        let new = !rest.bookmarks.iter().any(|one| one.mark == mark);
        let full = new && rest.bookmarks.len() >= MOST_BOOKMARKS;
        if full {
            rest.bookmarks.remove(0);
        }
        if new {
            rest.bookmarks.push(WaitingBookmark::new(mark));
            rest.waited = false;
        }
        self.note_rest(&rest);
        full
    }

    /// The bookmarks that wait.
    pub(crate) fn waiting(&self) -> Vec<WaitingBookmark> {
        self.rest().bookmarks.clone()
    }

    /// What was asked for one of them.
    pub(crate) fn note_waiting(&self, waiting: &WaitingBookmark) {
        let mut rest = self.rest();
        let known = rest.bookmarks.iter_mut();
        for one in known.filter(|one| one.is(waiting)) {
            one.clone_from(waiting);
        }
    }

    /// The bookmark was held against the primary, and needs nothing more of its own.
    pub(crate) fn settled_bookmark(&self, settled: &WaitingBookmark) {
        let mut rest = self.rest();
        rest.bookmarks.retain(|waiting| !waiting.is(settled));
        self.note_rest(&rest);
    }

    /// Whether a read has waited for them as long as it may: the next one does not.
    pub(crate) fn has_waited(&self) -> bool {
        self.rest().waited
    }

    /// A read has.
    pub(crate) fn mark_waited(&self) {
        self.rest().waited = true;
    }

    /// Until when its reads have to stay on the primary for what it brought, in seconds since 1970; nothing where that
    /// is over.
    pub(crate) fn stays_until(&self) -> Option<u64> {
        let rest = self.rest();
        let early = rest.bookmarks.iter().filter(|one| one.is_early());
        let ends = early.map(|one| match one.mark {
            Asks::Primary { until } => until.min(unix_time() + UNKNOWN_HOLD.as_secs()),
            Asks::Nothing | Asks::At(_) | Asks::Executed(_) => 0,
        });
        ends.max()
    }
}
