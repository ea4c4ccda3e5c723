//! How long a statement may be on its way: each phase of it counts its own time (rule R4).

use std::time::{Duration, Instant};

use super::Attempt;

/// What a statement may have to wait for before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A decision, freshness, another node than the one that failed: `SEALANE_ROUTE_TIMEOUT`.
    Route,
    /// What its session wrote or brought: a position from the primary, a replica that has it. `SEALANE_STALE_WAIT`, for
    /// all of it together, and part of the route's.
    Fresh,
    /// A primary: `SEALANE_FAILOVER_TIMEOUT`.
    Primary,
    /// The end of a pause of writes: as long as a place.
    Pause,
    /// A place in a pool: `SEALANE_ACQUIRE_TIMEOUT`, as in SeaORM.
    Place,
}

impl Phase {
    /// The setting that bounds it.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Route => "route_timeout",
            Self::Fresh => "stale_wait",
            Self::Primary => "failover_timeout",
            Self::Pause | Self::Place => "acquire_timeout",
        }
    }
}

/// What each phase has taken so far. One clock for all of them was rejected: a write that had waited for the new primary
/// was late before it stood in its line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent([Duration; 5]);

impl Attempt<'_> {
    /// Until when this phase may last that goes on now.
    pub(super) fn limit(&mut self, phase: Phase) -> Instant {
        let (config, now) = (&self.shared.config, Instant::now());
        self.started.get_or_insert(now);
        let whole = match phase {
            Phase::Route => self.shared.settings.route_timeout,
            Phase::Fresh => {
                let wait = self.scope.stale_wait(self.shared);
                wait.min(self.shared.settings.route_timeout)
            }
            Phase::Primary => config.failover_timeout,
            Phase::Pause | Phase::Place => config.acquire_timeout,
        };
        now + whole.saturating_sub(self.spent.0[phase as usize])
    }

    /// The phase lasted from then until now.
    pub(super) fn spend(&mut self, phase: Phase, since: Instant) {
        self.spent.0[phase as usize] += since.elapsed();
    }

    /// Whether there is time left for another node.
    pub(super) fn may_go_on(&self) -> bool {
        self.spent.0[Phase::Route as usize] < self.shared.settings.route_timeout
    }

    /// When the statement first had to wait.
    pub(super) fn started(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }
}
