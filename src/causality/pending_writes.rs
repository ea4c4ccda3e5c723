//! Writes that have not returned although their caller is gone: until they have, a session reads on the primary (C1).

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::write_count::WriteCount;

/// How long a write that was lost from sight counts as running where nobody can find out whether it does: behind a
/// connection of the application's own, or where the server does not say who is at work (rule C1).
pub(crate) const UNKNOWN_HOLD: Duration = Duration::from_secs(30);

/// One such write, shared by every session that has to see it.
#[derive(Debug, Default)]
pub(super) struct PendingWrite {
    /// The tick of its return; 0 while it has not returned.
    closed: AtomicU64,
    /// The write's connection is gone: what becomes of it has to be found out in another way.
    lost: AtomicBool,
    /// Nobody can find it out: it counts as returned then.
    until: OnceLock<Instant>,
}

impl PendingWrite {
    /// The write was lost from sight.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Nobody will find out what becomes of it.
    pub(super) fn give_up(&self) {
        self.lose();
        // The first one counts.
        let _ = self.until.set(Instant::now() + UNKNOWN_HOLD);
    }

    /// The write returned; that was its tick.
    pub(super) fn close(&self, tick: u64) {
        self.closed.store(tick, Ordering::Release);
    }

    /// The tick of its return, if it has returned.
    fn closed(&self, count: &WriteCount) -> Option<u64> {
        let closed = self.closed.load(Ordering::Acquire);
        if closed != 0 {
            return Some(closed);
        }
        if self.until.get().is_none_or(|until| *until > Instant::now()) {
            return None;
        }
        // What was lost may have been written up to now, so its end is a tick. Somebody else's will do as well.
        let tick = count.tick();
        let (new, old) = (Ordering::AcqRel, Ordering::Acquire);
        Some(
            self.closed
                .compare_exchange(0, tick, new, old)
                .map_or_else(|theirs| theirs, |_| tick),
        )
    }
}

/// What keeps one session on the primary, or whoever asks for all of the process.
#[derive(Debug, Default)]
pub(super) struct PendingWrites {
    any: AtomicBool,
    open: Mutex<Vec<Arc<PendingWrite>>>,
}

/// How a hold stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Some have not returned.
    pub(super) waits: bool,
    /// The connections of some are gone.
    pub(super) lost: bool,
    /// The last tick of those that have returned since the last time.
    pub(super) tick: u64,
}

impl PendingWrites {
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub(super) fn add(&self, open: Arc<PendingWrite>) {
        let mut all = self.open();
        all.push(open);
        self.any.store(true, Ordering::Release);
    }

    /// Takes out what has returned.
    pub(super) fn settle(&self, count: &WriteCount) -> Held {
        let mut held = Held::default();
        if !self.any() {
            return held;
        }
        let mut all = self.open();
        for open in mem::take(&mut *all) {
            match open.closed(count) {
                // Of another clock of this cluster it is another number, and this one has ticked since.
                Some(tick) => held.tick = held.tick.max(tick.min(count.ticks())),
                None => {
                    let lost = open.lost.load(Ordering::Acquire);
                    held.lost |= lost;
                    held.waits |= !lost;
                    all.push(open);
                }
            }
        }
        self.any.store(!all.is_empty(), Ordering::Release);
        held
    }

    /// How many have not returned.
    pub(super) fn count(&self) -> u64 {
        let all = self.open();
        let open = all
            .iter()
            .filter(|one| one.closed.load(Ordering::Acquire) == 0);
        u64::try_from(open.count()).unwrap_or(u64::MAX)
    }

    /// The pending writes, for another session.
    pub(super) fn share(&self) -> Self {
        let all = self.open().clone();
        Self {
            any: AtomicBool::new(!all.is_empty()),
            open: Mutex::new(all),
        }
    }

    pub(super) fn into_open(self) -> Vec<Arc<PendingWrite>> {
        self.open
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<PendingWrite>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
