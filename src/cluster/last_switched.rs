//! The last change of the primary, which no snapshot holds.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    error::LastSwitch,
    state::{Moment, Notice, State},
};

/// When the primary changed last, and to whom.
#[derive(Default)]
pub(crate) struct LastSwitched(Mutex<Option<Switched>>);

struct Switched {
    to: String,
    at: Moment,
    without: Option<Duration>,
}

impl LastSwitched {
    /// Notes a change, if the notice is one.
    pub(super) fn note(&self, notice: &Notice, state: &State, at: Moment) {
        let Notice::PrimaryIs { node, without } = notice else {
            return;
        };
        let name = state.node(*node).map(|node| node.spec.name.to_string());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Switched {
            to: name.unwrap_or_else(|| node.to_string()),
            at,
            without: *without,
        });
    }

    /// The change as it is told at this moment.
    pub(super) fn seen_at(&self, now: Moment) -> Option<LastSwitch> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Switched { to, at, without } = last.as_ref()?;
        let ago = now.0.saturating_sub(at.0);
        Some(LastSwitch::new(to, ago, *without))
    }
}
