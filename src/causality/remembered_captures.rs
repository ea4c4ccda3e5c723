//! The captures of the last seconds (rule C1): by them a session finds the first that covers its write, and a replica since when it
//! lacks something.
//!
//! The last ones are all there, and those before them at a distance. To keep the last ones alone was rejected: with hundreds of
//! captures in a second, a replica that stood still for minutes lacked nothing that was older than a tenth of a second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How many are remembered. A session asks for the first that covers its write, usually the last or the one before; whoever comes
/// later than this is given a later one, which is as safe.
const REMEMBERED: usize = 64;

/// How many of these are the last ones.
const LAST: usize = 32;

/// The least time between two of those before: so these reach back three seconds at any rate.
const DISTANCE: Duration = Duration::from_millis(100);

/// What the primary said of its position, once.
#[derive(Clone, Copy, Debug)]
pub(super) struct RememberedCapture {
    /// The writes that it covers.
    pub(super) covered: u64,
    pub(super) epoch: u64,
    pub(super) lsn: u64,
    /// When the answer was there.
    pub(super) at: Instant,
}

/// The captures of the last seconds, in their order.
#[derive(Debug, Default)]
pub(super) struct RememberedCaptures(VecDeque<RememberedCapture>);

impl RememberedCaptures {
    pub(super) fn remember(&mut self, capture: RememberedCapture) {
        if self.0.len() == REMEMBERED {
            self.0.remove(self.dispensable());
        }
        self.0.push_back(capture);
    }

    /// The first of those before the last ones that is too near to the one before it, or else the oldest of all.
    fn dispensable(&self) -> usize {
        let near = |at: &usize| self.0[*at].at < self.0[at - 1].at + DISTANCE;
        (1..REMEMBERED - LAST).find(near).unwrap_or(0)
    }

    /// The first that covers so many writes.
    pub(super) fn first_covering(&self, ticks: u64) -> Option<RememberedCapture> {
        self.0.iter().find(|one| one.covered >= ticks).copied()
    }

    /// When the first was answered that lies beyond this position.
    pub(super) fn first_beyond(&self, epoch: u64, lsn: u64) -> Option<Instant> {
        let beyond = |one: &&RememberedCapture| (one.epoch, one.lsn) > (epoch, lsn);
        self.0.iter().find(beyond).map(|one| one.at)
    }

    /// When those were answered that lie in there.
    pub(super) fn within(&self, epoch: u64, above: u64, up_to: u64) -> Vec<Instant> {
        let lies =
            |one: &&RememberedCapture| one.epoch == epoch && one.lsn > above && one.lsn <= up_to;
        self.0.iter().filter(lies).map(|one| one.at).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LAST, REMEMBERED, RememberedCapture, RememberedCaptures};

    const MS: Duration = Duration::from_millis(1);

    /// Remembers so many captures, one in each such time, each of one more write.
    fn remembered(count: u32, every: Duration, begun: Instant) -> RememberedCaptures {
        let mut captures = RememberedCaptures::default();
        for n in 1..=count {
            captures.remember(RememberedCapture {
                covered: n.into(),
                epoch: 1,
                lsn: n.into(),
                at: begun + every * n,
            });
        }
        captures
    }

    #[test]
    fn a_replica_that_stands_still_lacks_what_is_seconds_old_however_many_captures_there_are() {
        let begun = Instant::now();
        for every in [MS / 10, MS, 10 * MS, 100 * MS] {
            let captures = remembered(60_000, every, begun);
            let now = begun + every * 60_000;
            let lacks = captures.first_beyond(1, 0).unwrap();
            assert!(now - lacks >= 3_000 * MS, "{every:?}: {:?}", now - lacks);
            assert_eq!(captures.0.len(), REMEMBERED);
        }
    }

    #[test]
    fn the_last_ones_are_all_there_and_an_earlier_write_is_given_a_later_one() {
        let captures = remembered(60_000, MS, Instant::now());
        let last = u64::try_from(LAST).unwrap();
        for ticks in 60_001 - last..=60_000 {
            assert_eq!(captures.first_covering(ticks).unwrap().covered, ticks);
        }
        for ticks in 1..=60_000 {
            assert!(captures.first_covering(ticks).unwrap().covered >= ticks);
        }
        assert!(captures.first_covering(60_001).is_none());
    }

    #[test]
    fn few_are_all_remembered() {
        let captures = remembered(64, MS, Instant::now());
        assert_eq!(captures.within(1, 0, 64).len(), 64);
        assert_eq!(captures.within(1, 10, 20).len(), 10);
        assert!(captures.first_beyond(1, 64).is_none());
    }
}
