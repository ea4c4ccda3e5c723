//! Writes that have not returned although their caller is gone: until they have, a session reads on the primary (C1).

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::write_count::WriteCount;

/// How long an unresolved write counts as running where nobody can find out whether it does: behind a
/// connection of the application's own, or where the server does not say who is at work (rule C1).
pub(crate) const UNKNOWN_HOLD: Duration = Duration::from_secs(30);

/// One such write, shared by every session that has to see it, of all clocks of the cluster.
#[derive(Debug)]
pub(super) struct PendingWrite {
    /// How long reads follow it where there is only time.
    pin: Duration,
    /// The moment of its return; nothing while it has not returned.
    returned: OnceLock<Instant>,
    /// The write's connection is gone: what becomes of it has to be found out in another way.
    unresolved: AtomicBool,
    /// Nobody can find it out: it counts as returned then.
    until: OnceLock<Instant>,
}

impl PendingWrite {
    pub(super) fn new(pin: Duration) -> Self {
        Self {
            pin,
            returned: OnceLock::new(),
            unresolved: AtomicBool::new(false),
            until: OnceLock::new(),
        }
    }

    /// The write is unresolved: it is out of sight.
    pub(super) fn mark_unresolved(&self) {
        self.unresolved.store(true, Ordering::Release);
    }

    /// Nobody will find out what becomes of it.
    pub(super) fn give_up(&self) {
        self.mark_unresolved();
        // The first one counts.
        let _ = self.until.set(Instant::now() + UNKNOWN_HOLD);
    }

    /// The write returned, and all clocks have ticked for that.
    pub(super) fn close(&self) {
        let _ = self.returned.set(Instant::now());
    }

    fn is_given_up(&self) -> Option<Instant> {
        let until = self.until.get();
        until.copied().filter(|until| *until <= Instant::now())
    }

    /// The write's return as this clock counts it, if it has returned. By a number of its own, kept in the write, was
    /// rejected: each clock of a cluster numbers by itself, and one clock's number is covered long ago by another's.
    fn to_return(&self, count: &WriteCount) -> Option<WriteReturn> {
        let (tick, at) = match self.returned.get() {
            // The clock has ticked before.
            Some(at) => (count.ticks(), *at),
            // What is unresolved may have been written up to now, and nobody has ticked for that.
            None => {
                let until = self.is_given_up()?;
                (count.tick_for_next_question(), until)
            }
        };
        let pin = self.pin;
        Some(WriteReturn { tick, at, pin })
    }
}

/// The return of a write whose caller is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteReturn {
    /// A number that stands for it.
    pub(super) tick: u64,
    pub(super) at: Instant,
    /// How long reads follow it where there is only time.
    pub(super) pin: Duration,
}

/// What keeps one session on the primary, or whoever asks for all of the process.
#[derive(Debug, Default)]
pub(super) struct PendingWrites {
    any: AtomicBool,
    open: Mutex<Vec<Arc<PendingWrite>>>,
}

/// How pending writes stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Some have not returned.
    pub(super) waits: bool,
    /// The connections of some are gone.
    pub(super) unresolved: bool,
}

impl Held {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            waits: self.waits || other.waits,
            unresolved: self.unresolved || other.unresolved,
        }
    }
}

impl PendingWrites {
    /// Whether there may be some. Whoever finds none finds what the returns of all have raised, if it looks for that
    /// afterwards.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub(super) fn add(&self, open: Arc<PendingWrite>) {
        let mut all = self.open();
        all.push(open);
        self.any.store(true, Ordering::Release);
    }

    /// Takes out what has returned. `take_in` is told of it before: nobody finds a write in neither place.
    #[inline]
    pub(super) fn take_returned(&self, count: &WriteCount, take_in: impl Fn(WriteReturn)) -> Held {
        match self.any() {
            true => self.take_out_returned(count, take_in),
            false => Held::default(),
        }
    }

    fn take_out_returned(&self, count: &WriteCount, take_in: impl Fn(WriteReturn)) -> Held {
        let mut held = Held::default();
        let mut all = self.open();
        all.retain(|open| match open.to_return(count) {
            Some(returned) => {
                take_in(returned);
                false
            }
            None => {
                let unresolved = open.unresolved.load(Ordering::Acquire);
                held.unresolved |= unresolved;
                held.waits |= !unresolved;
                true
            }
        });
        self.any.store(!all.is_empty(), Ordering::Release);
        held
    }

    /// How many have not returned.
    pub(super) fn count(&self) -> u64 {
        let all = self.open();
        let open = all
            .iter()
            .filter(|one| one.returned.get().is_none() && one.is_given_up().is_none());
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

    /// Takes over what is pending there.
    pub(super) fn follow(&self, other: &Self) {
        for open in other.share().into_open() {
            self.add(open);
        }
    }

    fn into_open(self) -> Vec<Arc<PendingWrite>> {
        self.open
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<PendingWrite>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
