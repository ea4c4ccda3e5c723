//! What a read waits for that arrived before it was known (rule C5).

use super::shared::Shared;
use crate::session::{Current, Need};

/// The need of one session as it stood at one moment, fixed as soon as a capture tells it: what the session writes
/// later does not prolong the wait.
#[derive(Debug)]
pub(crate) struct Awaited {
    current: Current,
    written: u64,
    /// It had writes that had not returned: what they wrote counts too.
    open: bool,
    need: Need,
}

impl Awaited {
    /// As it stands now.
    pub(crate) fn now(shared: &Shared, current: Current) -> Self {
        Self {
            written: current.written(&shared.clock),
            open: shared.has_open_writes(&current),
            need: Need::Primary,
            current,
        }
    }

    /// As far as it is known.
    pub(crate) fn need(&mut self, shared: &Shared) -> Need {
        if self.need == Need::Primary {
            if self.open {
                if shared.has_open_writes(&self.current) {
                    return Need::Primary;
                }
                // After they have returned, so that the ticks of their returns are in it.
                self.written = self.current.written(&shared.clock);
                self.open = false;
            }
            self.need = self.current.need_at(&shared.clock, self.written);
        }
        self.need
    }
}
