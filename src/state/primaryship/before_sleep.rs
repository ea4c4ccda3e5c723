//! What of the primary outlives the sleep of an idle cluster (T17): all that speaks against a node, and nothing that speaks
//! for one.

use super::Primaryship;
use crate::vocabulary::NodeId;

/// What held before the sleep. Nobody writes by it: it tells whether anything has changed, and that epochs are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct BeforeSleep {
    pub(in crate::state) primary: Option<NodeId>,
    /// The epoch that had been accepted, until one is again.
    pub(in crate::state) epoch: Option<u64>,
}

impl Primaryship {
    /// Forgets who the primary is, and in which epoch.
    pub(in crate::state) fn forget(&mut self) {
        let before_sleep = BeforeSleep {
            primary: self.primary,
            epoch: self.epoch.or(self.before_sleep.epoch),
        };
        *self = Self {
            identity: self.identity,
            greatest: self.greatest,
            overruled: self.overruled,
            changes: self.changes,
            word: self.word,
            has_waiters: self.has_waiters,
            hidden: self.hidden,
            before_sleep,
            ..Self::default()
        };
    }
}
