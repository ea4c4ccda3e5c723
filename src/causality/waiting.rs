//! What a session brought and has to see although nobody knows yet where that lies (rules C10, C11): until it was held
//! against the primary, its reads go there.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::pending_writes::UNKNOWN_HOLD;
use crate::position::Asks;

/// A bookmark that a session brought, and that waits to be held against the primary.
#[derive(Clone, Debug)]
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
    pub(super) fn new(mark: Asks) -> Self {
        let came = Instant::now();
        let until = match mark {
            Asks::Primary { until } => {
                let left = Duration::from_secs(until.saturating_sub(unix_time()));
                // It comes from outside and may say anything.
                (!left.is_zero()).then(|| came + left.min(UNKNOWN_HOLD))
            }
            Asks::Nothing | Asks::At(_) | Asks::Executed(_) => None,
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
    pub(super) fn is(&self, other: &Self) -> bool {
        self.mark == other.mark && self.came == other.came
    }

    /// Whether the primary cannot tell it yet, whoever asks.
    pub(crate) fn is_early(&self) -> bool {
        self.until.is_some_and(|until| until > Instant::now())
    }
}

/// Seconds since 1970: what two processes have in common. A clock that goes wrong keeps reads on the primary for too long
/// or, by as much as it goes wrong, lets what is executed that late be missed.
pub(super) fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
