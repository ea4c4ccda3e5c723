//! How many connections of a pool are opened at a time (rule R7).
//!
//! A login is work for processors, here and at the server, many times that of a small statement. Statements that came together
//! each opened a connection for themselves, of which the first ones could have served them all; and where many processes did so
//! at one time, on a machine that was busy, no login came to its end for seconds. So a few are opened at a time, and whoever
//! waits for that takes what comes back meanwhile.
//!
//! Where logins take their time for another reason, a connection more may be begun after a while: a pool still grows to what
//! runs at a time. A count for the whole process was rejected: what is opened to a server that swallows everything would keep
//! the connections to the others from being opened.

use std::{
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How many may be opened at a time at once: as many as there are processors to do it.
static FEW: LazyLock<u32> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, |count| count.get());
    u32::try_from(processors).unwrap_or(u32::MAX).max(2)
});

/// Beyond that, one may be begun so long after the last.
const MORE_EVERY: Duration = Duration::from_secs(1);

/// The connections of one pool that are being opened.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    under_way: Mutex<OpeningsUnderWay>,
    ended: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct OpeningsUnderWay {
    count: u32,
    /// When the last one was begun by a statement.
    last: Option<Instant>,
    /// How long the last one took.
    took: Duration,
}

/// What somebody says who would open one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) now: Instant,
    /// Since when somebody waits.
    pub(super) since: Instant,
    /// How many connections there are, with those that are being opened.
    pub(super) there: u32,
}

impl OpeningsUnderWay {
    fn may_begin(self, few: u32, want: Want) -> bool {
        let since = |then: Instant| want.now.duration_since(then);
        let is_few = self.count < few || self.last.is_none_or(|last| since(last) >= MORE_EVERY);
        let may_come = want.there > self.count;
        is_few && (!may_come || since(want.since) >= self.took.min(MORE_EVERY))
    }
}

/// The right to open one, until this is dropped.
#[derive(Debug)]
pub(crate) struct MayOpen {
    of: Arc<Openings>,
    begun: Instant,
}

impl Openings {
    fn under_way(&self) -> MutexGuard<'_, OpeningsUnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to open one now, where so many are not being opened already.
    pub(super) fn begin(self: &Arc<Self>, want: Want) -> Option<MayOpen> {
        let mut under_way = self.under_way();
        if !under_way.may_begin(*FEW, want) {
            return None;
        }
        under_way.count += 1;
        under_way.last = Some(want.now);
        Some(self.opening(want.now))
    }

    /// Opens one in any case: one that is to be kept.
    pub(super) fn begin_kept(self: &Arc<Self>) -> MayOpen {
        self.under_way().count += 1;
        self.opening(Instant::now())
    }

    fn opening(self: &Arc<Self>, begun: Instant) -> MayOpen {
        MayOpen {
            of: Arc::clone(self),
            begun,
        }
    }

    /// Returns when one has been opened, or could not be.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Drop for MayOpen {
    fn drop(&mut self) {
        let mut under_way = self.of.under_way();
        under_way.count -= 1;
        under_way.took = self.begun.elapsed();
        drop(under_way);
        self.of.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use super::{FEW, Openings, OpeningsUnderWay, Want};

    const MS: Duration = Duration::from_millis(1);

    /// One who has waited so long where so many connections are there.
    fn want(begun: Instant, waited: Duration, there: u32) -> Want {
        Want {
            now: begun + waited,
            since: begun,
            there,
        }
    }

    #[test]
    fn a_few_are_opened_at_a_time_and_one_more_after_a_while() {
        let now = Instant::now();
        let full = OpeningsUnderWay {
            count: 2,
            last: Some(now),
            took: Duration::ZERO,
        };
        assert!(OpeningsUnderWay::default().may_begin(2, want(now, MS, 0)));
        assert!(!full.may_begin(2, want(now, 999 * MS, 2)));
        assert!(full.may_begin(2, want(now, 1_000 * MS, 2)));
        assert!(full.may_begin(3, want(now, MS, 2)));
    }

    #[test]
    fn where_one_may_come_back_it_is_waited_for_as_long_as_a_login_takes() {
        let now = Instant::now();
        let slow = OpeningsUnderWay {
            took: 80 * MS,
            ..OpeningsUnderWay::default()
        };
        assert!(slow.may_begin(2, want(now, MS, 0)), "none can come back");
        assert!(!slow.may_begin(2, want(now, 79 * MS, 1)));
        assert!(slow.may_begin(2, want(now, 80 * MS, 1)));
        let slowest = OpeningsUnderWay {
            took: 80_000 * MS,
            ..OpeningsUnderWay::default()
        };
        assert!(slowest.may_begin(2, want(now, 1_000 * MS, 1)));
    }

    #[test]
    fn whoever_ends_lets_the_next_one_begin() {
        let openings = Arc::<Openings>::default();
        let want = want(Instant::now(), MS, 0);
        let mut held: Vec<_> = (0..*FEW).map(|_| openings.begin(want)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(openings.begin(want).is_none());
        held.pop();
        assert!(openings.begin(want).is_some());
    }

    #[test]
    fn one_that_is_kept_counts_and_waits_for_nobody() {
        let openings = Arc::<Openings>::default();
        let want = want(Instant::now(), MS, 0);
        let _kept: Vec<_> = (0..*FEW).map(|_| openings.begin_kept()).collect();
        let first = openings.begin(want);
        assert!(first.is_some(), "no statement has begun one yet");
        assert!(openings.begin(want).is_none());
    }
}
