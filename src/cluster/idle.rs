//! Whether nobody has wanted anything of a cluster for long (an idle timer that is looked at, not set).
//!
//! Statements count themselves already, so a timer that each of them would set anew was rejected: it is a write more for
//! every statement. The worker compares the counts at its looks; what it finds changed happened at the look at the
//! latest, so the cluster sleeps late by the time between two looks, and never early. Pure: moments and counts come in.

use std::time::Duration;

use crate::state::Moment;

/// Between two looks, at the most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is to be seen at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    /// How much was begun on all nodes so far.
    pub(super) begun: u64,
    /// Something is under way now, or somebody waits.
    pub(super) busy: bool,
}

/// Since when nothing was wanted.
#[derive(Debug)]
pub(super) struct IdleWatch {
    after: Duration,
    since: Moment,
    begun: u64,
    looked: Moment,
}

impl IdleWatch {
    pub(super) fn new(after: Duration, now: Moment) -> Self {
        Self {
            after,
            since: now,
            begun: 0,
            looked: now,
        }
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Moment {
        let (due, latest) = (self.since.after(self.after), self.looked.after(LOOK_EVERY));
        match due > self.looked {
            true => due.min(latest),
            // What keeps it awake is something else.
            false => latest,
        }
    }

    /// Looks; whether nothing was wanted for long enough.
    pub(super) fn look(&mut self, now: Moment, seen: Activity) -> bool {
        self.looked = now;
        if self.has_news(seen) {
            self.note(now);
        }
        self.begun = seen.begun;
        now.since(self.since) >= self.after
    }

    /// Somebody wants something that is not counted.
    pub(super) fn note(&mut self, now: Moment) {
        self.since = now;
    }

    /// Whether something was begun since the last look, or is under way.
    pub(super) fn has_news(&self, seen: Activity) -> bool {
        seen.busy || seen.begun != self.begun
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Activity, IdleWatch};
    use crate::state::Moment;

    fn at(millis: u64) -> Moment {
        Moment(Duration::from_millis(millis))
    }

    fn seen(begun: u64, busy: bool) -> Activity {
        Activity { begun, busy }
    }

    /// Rule T17.
    #[test]
    fn it_is_idle_when_nothing_was_begun_and_nothing_is_under_way_for_long_enough() {
        let mut watch = IdleWatch::new(Duration::from_millis(3_000), at(0));
        assert!(!watch.look(at(1_000), seen(5, false)));
        assert!(
            !watch.look(at(3_999), seen(5, false)),
            "since the last look"
        );
        assert!(watch.look(at(4_000), seen(5, false)));
        assert!(!watch.look(at(5_000), seen(6, false)), "one more");
        assert!(!watch.look(at(9_000), seen(6, true)), "still under way");
        assert!(!watch.look(at(11_999), seen(6, false)));
        assert!(watch.look(at(12_000), seen(6, false)));
        watch.note(at(12_000));
        assert!(!watch.look(at(13_000), seen(6, false)));
    }

    #[test]
    fn it_is_looked_at_when_it_is_due_and_never_again_and_again() {
        let mut watch = IdleWatch::new(Duration::from_millis(1_500), at(0));
        assert_eq!(watch.next_look(), at(1_000));
        watch.look(at(1_000), seen(0, false));
        assert_eq!(watch.next_look(), at(1_500));
        assert!(watch.look(at(1_500), seen(0, false)));
        assert_eq!(
            watch.next_look(),
            at(2_500),
            "what keeps it awake is something else"
        );
    }
}
