//! What a read needs, worked out of what its session wrote and saw (rules C1, C2, C5): the whole way from whose it is to the
//! clock's last capture.
//!
//! Readers compare atomics only. Whether a replica has what is needed is asked of [`Replayed`](super::Replayed).

use std::{sync::atomic::Ordering, time::Instant};

use super::{Clock, Current, ReadRequirement, Session, WriteClock};

impl Current {
    /// What a read that arrives now needs.
    #[inline]
    pub(crate) fn need(&self, clock: &Clock) -> ReadRequirement {
        match self {
            Self::Process => clock.process.need(&clock.writes),
            Self::Session(session) => session.need(&clock.writes),
            Self::Client(session) => {
                let (own, outer) = Self::both(session);
                own.need(clock).and(outer.need(clock))
            }
            Self::Task(task) => clock.tasks.need(&clock.writes, *task),
            Self::Untracked => ReadRequirement::Nothing,
        }
    }

    /// What the session has written, up to now: to be asked about by [`covered_need`](Self::covered_need).
    pub(crate) fn written(&self, clock: &Clock) -> u64 {
        match self {
            Self::Process => clock.writes.ticks(),
            Self::Session(session) => session.written(&clock.writes),
            Self::Client(session) => {
                let (own, outer) = Self::both(session);
                own.written(clock).max(outer.written(clock))
            }
            Self::Task(task) => clock.tasks.written(&clock.writes, *task),
            Self::Untracked => 0,
        }
    }

    /// What a read needs that arrived when so much was written and had returned.
    pub(crate) fn covered_need(&self, clock: &Clock, written: u64) -> ReadRequirement {
        match self {
            // The first capture that covers it, for whoever waits: the last one moves on with every write.
            Self::Process => {
                let first = clock.writes.first_need_of(written);
                first.and(clock.process.position(&clock.writes))
            }
            Self::Session(session) => session.covered_need(&clock.writes, written),
            Self::Client(session) => {
                let (_, outer) = Self::both(session);
                let own = written.min(session.written(&clock.writes));
                let own = session.covered_need(&clock.writes, own);
                own.and(outer.covered_need(clock, written))
            }
            Self::Task(task) => clock.tasks.need(&clock.writes, *task),
            Self::Untracked => ReadRequirement::Nothing,
        }
    }

    /// What the reads of a session need that have returned, where a position or a tick stands for them now; without its writes.
    pub(crate) fn seen_need(&self, clock: &Clock) -> ReadRequirement {
        let tick = |of: &Self| of.session(clock).map_or(0, |session| session.seen_tick());
        let outer = self.outer().map_or(0, tick);
        self.covered_need(clock, tick(self).max(outer))
    }

    /// What a read needs where there is only time (rule C14).
    pub(crate) fn pinned_need(&self, clock: &Clock) -> ReadRequirement {
        let pinned = match self {
            Self::Process => clock.process.is_pinned(&clock.writes),
            Self::Session(session) => session.is_pinned(&clock.writes),
            Self::Client(session) => {
                let (_, outer) = Self::both(session);
                session.is_pinned(&clock.writes)
                    || outer.pinned_need(clock) == ReadRequirement::Primary
            }
            Self::Task(task) => clock.tasks.is_pinned(&clock.writes, *task),
            Self::Untracked => false,
        };
        match pinned {
            true => ReadRequirement::Primary,
            false => ReadRequirement::Nothing,
        }
    }
}

impl Session {
    /// What a read that arrives now needs.
    #[inline]
    pub(crate) fn need(&self, clock: &WriteClock) -> ReadRequirement {
        let held = self.held(clock);
        if held.waits || held.unresolved {
            return ReadRequirement::Primary;
        }
        // Now, and not before: what has returned since it was found open is in it, whoever took it out.
        self.covered_need(clock, self.written(clock))
    }

    /// The number of its last write.
    #[inline]
    pub(crate) fn written(&self, clock: &WriteClock) -> u64 {
        if self.is_process {
            return clock.ticks();
        }
        let own = self.tick.load(Ordering::Acquire);
        match self.shares_concrete() {
            true => own.max(clock.concrete.tick()),
            false => own,
        }
    }

    /// What a read of this session needs as far as what has returned.
    fn covered_need(&self, clock: &WriteClock, tick: u64) -> ReadRequirement {
        let own = if self.is_process {
            clock.need_of(tick)
        } else {
            self.requirement_of(clock, tick)
        };
        own.and(self.position(clock))
    }

    /// Asks the clock once for what covers a write, and remembers it.
    fn requirement_of(&self, clock: &WriteClock, tick: u64) -> ReadRequirement {
        if tick <= self.settled.load(Ordering::Acquire) {
            return ReadRequirement::Nothing;
        }
        match clock.first_need_of(tick) {
            ReadRequirement::Position { epoch, lsn } => {
                self.raise(clock, epoch, lsn);
                self.settled.fetch_max(tick, Ordering::AcqRel);
                ReadRequirement::Nothing
            }
            need => need,
        }
    }

    /// What the session is known to need apart from uncovered writes.
    #[inline]
    fn position(&self, clock: &WriteClock) -> ReadRequirement {
        if self.is_unsettled() {
            return ReadRequirement::Primary;
        }
        let epoch = self.at.epoch();
        if epoch == 0 {
            return ReadRequirement::Nothing;
        }
        let current = clock.epoch();
        if epoch < current {
            if let Some(first) = clock.first_of(current) {
                self.exchange(clock, current, first);
            }
            return ReadRequirement::Primary;
        }
        match self.at.lsn_of(epoch) {
            Some(lsn) => ReadRequirement::Position { epoch, lsn },
            None => ReadRequirement::Primary,
        }
    }

    /// Whether a write of the session returned a moment ago, where there is only time.
    pub(super) fn is_pinned(&self, clock: &WriteClock) -> bool {
        self.pin.holds(Instant::now) || (self.shares_concrete() && clock.concrete.is_pinned())
    }
}

impl WriteClock {
    /// What a read needs that has to see so many of the writes that returned: the last capture, if it covers them.
    #[inline]
    pub(super) fn need_of(&self, ticks: u64) -> ReadRequirement {
        if ticks == 0 {
            return ReadRequirement::Nothing;
        }
        let epoch = self.last.epoch();
        if !self.covers(ticks) {
            return ReadRequirement::Primary;
        }
        match self.last.lsn_of(epoch) {
            Some(lsn) => ReadRequirement::Position { epoch, lsn },
            None => ReadRequirement::Primary,
        }
    }
}
