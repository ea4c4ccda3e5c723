//! The write clock: what this process wrote to one cluster, and up to where that is known to lie (rules C1, C2).
//!
//! A write that returns ticks the clock. A capture asks the primary for its position afterwards, on a connection of its
//! own, and covers every tick that was there when it was sent: so one capture serves any number of writes, and the
//! write path has no round trip more. Until a tick is covered, reads that need it go to the primary. Asking for the
//! position inside the write's own statement was rejected: it is taken before the commit record and comes out too low.
//!
//! Readers compare atomics only. A position and the epoch it belongs to are two of them; the epoch is stored first and
//! read twice, so that a position of one is never held against an epoch of the other.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    pin::Pin,
    position::{Epoch, Position},
};

/// The clocks of this process by cluster; weak, so that a cluster that was dropped leaves nothing behind.
static CLOCKS: LazyLock<Mutex<HashMap<String, Weak<Clock>>>> = LazyLock::new(Mutex::default);

/// How long a write whose connection was lost counts as running: its server may be at it still (rule C1).
pub(crate) const UNKNOWN_HOLD: Duration = Duration::from_secs(30);

/// The clock of one cluster, shared by every handle to it in this process.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How many writes have returned.
    ticks: AtomicU64,
    /// How many of them the last capture covers; stored after its position.
    covered: AtomicU64,
    /// The position of the last capture, in the epoch below.
    lsn: AtomicU64,
    /// The ordinal of the last capture's epoch among those that this process saw; 0 before the first.
    epoch: AtomicU64,
    /// Writes whose caller is gone, and of whose server nothing was heard since.
    abandoned: AtomicU64,
    /// The time pin, for nodes and servers that give no position (rule C14).
    pub(crate) pin: Pin,
    /// Until when a lost write may still be executed; its end is a tick, because every capture before may lack it.
    unknown: Pin,
    is_unknown: AtomicBool,
    /// The epochs that captures came from, by ordinal, counted from 1.
    epochs: Mutex<Vec<Epoch>>,
    /// A capture is wanted.
    pub(crate) wanted: Notify,
    /// Somebody captures: at most one in flight for a cluster, whatever the number of its handles.
    pub(crate) capturing: AtomicBool,
}

/// What a read needs, as the clock stood when the read arrived (rule C5): later writes do not concern it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing was written.
    Nothing,
    /// A node that is known to have come as far as this, in the epoch with this ordinal.
    Position {
        /// The epoch's ordinal in the clock.
        epoch: u64,
        /// The position in it.
        lsn: u64,
    },
    /// The primary: what was written is not covered by a capture yet, or nobody knows whether it was written.
    Primary,
}

impl Clock {
    /// The clock of the cluster with this identity; the same one for every caller in this process.
    pub(crate) fn of(identity: &str) -> Arc<Self> {
        let mut clocks = CLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.retain(|_, clock| clock.strong_count() > 0);
        if let Some(clock) = clocks.get(identity).and_then(Weak::upgrade) {
            return clock;
        }
        let clock = Arc::new(Self::default());
        clocks.insert(identity.to_owned(), Arc::downgrade(&clock));
        clock
    }

    /// What a read that arrives now needs.
    #[inline]
    pub(crate) fn need(&self) -> Need {
        self.need_of(self.ticks())
    }

    /// What a read needs that arrived after so many writes had returned.
    #[inline]
    pub(crate) fn need_of(&self, ticks: u64) -> Need {
        if ticks == 0 && self.abandoned.load(Ordering::Acquire) == 0 {
            return Need::Nothing;
        }
        if self.abandoned.load(Ordering::Acquire) != 0 || self.outcome_is_unknown() {
            return Need::Primary;
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        if self.covered.load(Ordering::Acquire) < ticks {
            return Need::Primary;
        }
        let lsn = self.lsn.load(Ordering::Acquire);
        if self.epoch.load(Ordering::Acquire) != epoch {
            return Need::Primary;
        }
        Need::Position { epoch, lsn }
    }

    /// A write returned, or something else that may have written ended.
    #[inline]
    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::AcqRel);
        self.wanted.notify_one();
    }

    /// A write was lost from sight while its server may still execute it. Reads stay on the primary for a while, and
    /// only a capture after that covers it.
    pub(crate) fn lost(&self) {
        self.unknown.extend(Instant::now(), UNKNOWN_HOLD);
        self.is_unknown.store(true, Ordering::Release);
        self.tick();
    }

    fn outcome_is_unknown(&self) -> bool {
        if !self.is_unknown.load(Ordering::Acquire) {
            return false;
        }
        if !self.unknown.holds(Instant::now) && self.is_unknown.swap(false, Ordering::AcqRel) {
            self.tick();
        }
        // When it has just ended, the tick of its end is not covered.
        true
    }

    /// A write whose caller is gone, until the guard is dropped: its connection has answered, or was given up.
    pub(crate) fn abandon(self: &Arc<Self>) -> Abandoned {
        self.abandoned.fetch_add(1, Ordering::AcqRel);
        Abandoned(Arc::clone(self))
    }

    /// How many writes have returned: what a capture that is sent from now on covers.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// Whether some write is not covered yet.
    pub(crate) fn wants_capture(&self) -> bool {
        self.covered.load(Ordering::Acquire) < self.ticks()
    }

    /// The primary's position, from a capture that was sent after so many ticks. Refused is an epoch below the
    /// greatest seen, or another cluster: what a stale primary says covers nothing (rule C2).
    ///
    /// Only the one that captures calls this.
    pub(crate) fn cover(&self, ticks: u64, position: Position) -> bool {
        let Some(ordinal) = self.admit(position.epoch) else {
            return false;
        };
        let known = self.epoch.load(Ordering::Acquire);
        if ordinal != known {
            self.epoch.store(ordinal, Ordering::Release);
            self.lsn.store(position.lsn.0, Ordering::Release);
        } else {
            self.lsn.fetch_max(position.lsn.0, Ordering::AcqRel);
        }
        self.covered.fetch_max(ticks, Ordering::AcqRel);
        true
    }

    /// The ordinal of a primary's epoch, which is new or the greatest so far.
    fn admit(&self, epoch: Epoch) -> Option<u64> {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        match epochs.last() {
            Some(last) if *last == epoch => {}
            Some(last) if epoch > *last => epochs.push(epoch),
            Some(_) => return None,
            None => epochs.push(epoch),
        }
        u64::try_from(epochs.len()).ok()
    }

    /// The ordinal under which a standby's position counts: that of its epoch. Where its server does not tell the
    /// epoch, that of the only one this process ever saw (rule T2); nothing when there were several.
    pub(crate) fn ordinal(&self, cluster: u64, timeline: Option<u32>) -> Option<u64> {
        let epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match (timeline, &epochs[..]) {
            (None, [only]) => (only.cluster.0 == cluster).then_some(0),
            (None, _) => None,
            (Some(timeline), all) => all
                .iter()
                .position(|epoch| epoch.cluster.0 == cluster && epoch.timeline == timeline),
        };
        place.and_then(|place| u64::try_from(place + 1).ok())
    }
}

/// See [`Clock::abandon`].
#[derive(Debug)]
pub(crate) struct Abandoned(Arc<Clock>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        // The tick first: between the two a read would find everything covered.
        self.0.tick();
        self.0.abandoned.fetch_sub(1, Ordering::AcqRel);
    }
}
