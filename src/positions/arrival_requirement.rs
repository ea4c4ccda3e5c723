//! What a read waits for that arrived before it was known (rule C5).

use super::tracker::Tracker;
use crate::causality::{Current, ReadRequirement};

/// The need of one session as it stood at one moment, fixed as soon as a capture tells it: what the session writes
/// later does not prolong the wait.
#[derive(Debug)]
pub(crate) struct ArrivalRequirement {
    current: Current,
    written: u64,
    /// The session had writes that had not returned: what they wrote counts too.
    open: bool,
    /// The requirement does not wait for what will never be heard of.
    forgives: bool,
    /// Somebody waits for a capture and has not asked for it yet.
    hastens: bool,
    need: ReadRequirement,
}

impl ArrivalRequirement {
    /// As it stands now.
    pub(crate) fn now(tracker: &Tracker, current: Current) -> Self {
        if tracker.has_unseen(&current) {
            tracker.clock.writes.note_concrete_out();
        }
        Self {
            written: current.written(&tracker.clock),
            open: true,
            forgives: false,
            hastens: true,
            need: ReadRequirement::Primary,
            current,
        }
    }

    /// As it stands now, for somebody who goes on without a capture where none comes.
    pub(crate) fn in_passing(tracker: &Tracker, current: Current) -> Self {
        Self {
            hastens: false,
            ..Self::now(tracker, current)
        }
    }

    /// The need as it stands now, without the writes of which nobody knows whether they were executed.
    pub(crate) fn without_unresolved(tracker: &Tracker, current: Current) -> Self {
        Self {
            forgives: true,
            ..Self::now(tracker, current)
        }
    }

    /// As far as it is known.
    pub(crate) fn need(&mut self, tracker: &Tracker) -> ReadRequirement {
        if self.need == ReadRequirement::Primary {
            // It waits for a capture, and captures rest while nobody reads.
            tracker.clock.writes.captures().note_read();
            if self.open {
                let (waits, unresolved) = tracker.open_writes(&self.current);
                if waits || (unresolved && !self.forgives) {
                    return ReadRequirement::Primary;
                }
                // After they have returned, so that the ticks of their returns are in it.
                self.written = self.current.written(&tracker.clock);
                self.open = false;
            }
            self.need = self.current.covered_need(&tracker.clock, self.written);
            if self.need == ReadRequirement::Primary && std::mem::take(&mut self.hastens) {
                // Whatever is left for captures that nobody waits for; it is the same one for all who ask meanwhile.
                tracker.clock.writes.captures().ask();
            }
        }
        self.need
    }
}
