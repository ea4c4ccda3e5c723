//! What a session brought and has to see although nobody knows yet where that lies (rules C10, C11): until it was held
//! against the primary, its reads go there.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "tower")]
use super::Current;
use super::{Rest, Session, UNKNOWN_HOLD};
use crate::position::Asks;

/// How many may wait in one session.
const MOST_BOOKMARKS: usize = 64;

/// A bookmark that a session brought, and that waits to be held against the primary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingBookmark {
    pub(crate) mark: Asks,
    pub(crate) came: Instant,
    /// The question to the primary that was asked for it.
    pub(crate) question: Option<u64>,
    /// When all nodes were asked for it last.
    pub(crate) demanded: Option<Instant>,
    /// Before that the primary cannot tell it: what it stands for may still be executed.
    until: Option<Instant>,
}

impl WaitingBookmark {
    fn new(mark: Asks) -> Self {
        let came = Instant::now();
        let until = match mark {
            Asks::Primary { until } => {
                let left = Duration::from_secs(until.saturating_sub(unix_time()));
                // It comes from outside and may say anything.
                (!left.is_zero()).then(|| came + left.min(UNKNOWN_HOLD))
            }
            Asks::Nothing | Asks::At(_) => None,
        };
        Self {
            mark,
            came,
            question: None,
            demanded: None,
            until,
        }
    }

    /// Whether the other is this bookmark, which came once: not one of the same text that came later.
    fn is(&self, other: &Self) -> bool {
        self.mark == other.mark && self.came == other.came
    }

    /// Whether the primary cannot tell it yet, whoever asks.
    pub(crate) fn is_early(&self) -> bool {
        self.until.is_some_and(|until| until > Instant::now())
    }
}

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
    pub(crate) fn note_waiting(&self, waiting: WaitingBookmark) {
        let mut rest = self.rest();
        let known = rest.bookmarks.iter_mut();
        for one in known.filter(|one| one.is(&waiting)) {
            *one = waiting;
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
            Asks::Nothing | Asks::At(_) => 0,
        });
        ends.max()
    }

    /// Whether something waits that reads must not miss.
    #[inline]
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled.load(Ordering::Acquire)
    }

    /// Whether bookmarks wait to be held against the primary, or reads for a position.
    #[inline]
    pub(crate) fn has_rest(&self) -> bool {
        self.has_rest.load(Ordering::Acquire)
    }

    pub(super) fn note_rest(&self, rest: &Rest) {
        let bookmarks = !rest.bookmarks.is_empty();
        self.unsettled.store(bookmarks, Ordering::Release);
        let any = bookmarks || !rest.seen.is_empty();
        self.has_rest.store(any, Ordering::Release);
    }
}

#[cfg(feature = "tower")]
impl Current {
    /// What a later session has to bring that sees what this one wrote and brought, where no position can be had in
    /// time: whatever the primary has then; and while something may still be executed, nothing but the primary.
    ///
    /// `open`: some of its writes have not returned, or are lost from sight.
    pub(crate) fn unplaced(&self, clock: &super::Clock, open: bool) -> Asks {
        let own = open.then(|| unix_time() + UNKNOWN_HOLD.as_secs());
        let session = self.session(clock);
        let brought = session.and_then(|session| session.stays_until());
        Asks::Primary {
            until: own.max(brought).unwrap_or(0),
        }
    }
}

/// Seconds since 1970: what two processes have in common. A clock that goes wrong keeps reads on the primary for too long
/// or, by as much as it goes wrong, lets what is executed that late be missed.
fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
