//! How long a statement may be on its way: each phase of it counts its own time (rule R4).

use std::time::{Duration, Instant};

use super::request::Request;

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
    /// The end of a pause of writes: as long as a permit.
    Pause,
    /// A permit in a pool: `SEALANE_ACQUIRE_TIMEOUT`, as in SeaORM.
    Permit,
}

impl Phase {
    /// The setting that bounds it.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Route => "route_timeout",
            Self::Fresh => "stale_wait",
            Self::Primary => "failover_timeout",
            Self::Pause | Self::Permit => "acquire_timeout",
        }
    }
}

/// When a statement first had to wait or failed, and what each phase has taken since. One clock for all of them was rejected:
/// a write that had waited for the new primary was late before it stood in its line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    /// What comes before the first wait is microseconds, and the clock costs as much.
    started: Option<Instant>,
    spent: [Duration; 5],
}

impl Timing {
    /// Until when this phase may last that goes on now.
    pub(super) fn limit(&mut self, request: &Request<'_>, phase: Phase) -> Instant {
        let shared = request.shared;
        let (config, now) = (&shared.config, Instant::now());
        self.start(now);
        let whole = match phase {
            Phase::Route => shared.config.route_timeout,
            Phase::Fresh => {
                let wait = request.overrides.stale_wait(shared);
                wait.min(shared.config.route_timeout)
            }
            Phase::Primary => config.failover_timeout,
            Phase::Pause | Phase::Permit => config.acquire_timeout,
        };
        now + whole.saturating_sub(self.spent[phase as usize])
    }

    /// The phase lasted from then until now.
    pub(super) fn spend(&mut self, phase: Phase, since: Instant) {
        self.spent[phase as usize] += since.elapsed();
    }

    /// Whether there is time left for another node.
    pub(super) fn may_go_on(&self, request: &Request<'_>) -> bool {
        self.spent[Phase::Route as usize] < request.shared.config.route_timeout
    }

    /// Counts from this moment, unless something before had to be timed.
    pub(super) fn start(&mut self, at: Instant) {
        self.started.get_or_insert(at);
    }

    /// Since when it is timed; nothing where all of it went straight.
    pub(super) fn started(&self) -> Option<Instant> {
        self.started
    }

    pub(super) fn waited(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
