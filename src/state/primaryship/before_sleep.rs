//! What of the primary outlives the sleep of an idle cluster (T17) besides what speaks against a node.

use crate::vocabulary::NodeId;

/// What held before the sleep. Nobody writes by it: it tells whether anything has changed, and that epochs are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct BeforeSleep {
    pub(in crate::state) primary: Option<NodeId>,
    /// The epoch that had been accepted, until one is again.
    pub(in crate::state) epoch: Option<u64>,
}

impl BeforeSleep {
    /// What holds before the next sleep. A cluster may fall asleep again before any epoch was accepted, and epochs are
    /// shown still.
    pub(super) fn followed_by(self, primary: Option<NodeId>, epoch: Option<u64>) -> Self {
        Self {
            primary,
            epoch: epoch.or(self.epoch),
        }
    }
}
