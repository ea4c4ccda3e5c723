//! Polling with back-off: when one replica is asked next how far it has replayed (rule C5).
//!
//! In steps of a part of the time for which it has been behind: so whoever waits for it finds it late by that part at the
//! most, and one that stands still is asked ever more seldom. Fixed steps of 1, 2 and 5 ms were the first form: a delayed
//! replica was asked two hundred times a second in vain. Pure: moments come in, what to do comes out.

use std::time::{Duration, Instant};

use crate::backend::Patience;
use crate::causality::allowance::{FOR_ANOTHER, FOR_SAMPLE};

/// The shortest time between two questions, which is the timer's own.
const LEAST: Duration = Duration::from_millis(1);

/// The most time between two questions.
const MOST: Duration = Duration::from_secs(1);

/// Between two attempts on a replica that does not answer (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

/// Which part of the time that it has been behind passes between two questions: while somebody waits, and while nobody
/// does.
const PART_AWAITED: u32 = 16;
const PART: u32 = 4;

/// The longest step while somebody waits.
const MOST_AWAITED: Duration = Duration::from_millis(20);

/// How long a server that can wait itself is left to it: no shorter, since a question costs more than it waits, and no
/// longer, since it hears nothing meanwhile of who asks for less, whose own wait may be 10 ms.
const HELD: Duration = Duration::from_millis(5);

/// The least time for which the connection to one of several servers is kept that lacks what somebody waits for.
const LEAST_KEPT: Duration = Duration::from_millis(50);

/// What is known when a question was answered, or something has changed since.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollState {
    pub(super) now: Instant,
    /// How many had asked.
    pub(super) asked: u64,
    /// Somebody waits until it has come as far.
    pub(super) awaited: bool,
    /// Since when the first capture is known that it has not replayed, or a position waited for that it has not.
    pub(super) behind_since: Option<Instant>,
    /// Another replica is known to have replayed the last one.
    pub(super) another_covers: bool,
    /// There is enough for questions in vain.
    pub(super) plenty: bool,
    /// The position that is waited for next, where the server itself can wait for one.
    pub(super) holds_for: Option<u64>,
}

/// When the next question is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The fixed pause after a failure, whoever asks.
    Pause(Duration),
    /// Now, and the server answers when it has replayed this position, or after so long.
    Hold { lsn: u64, most: Duration },
    /// As long at the most, unless somebody asks; whether or not anything is left of the allowance.
    Within(Duration),
    /// Nothing is to be found out before somebody asks or wishes.
    Idle(Duration),
    /// After so long, and then where so much is left of the allowance.
    Afford(Duration, Price),
}

/// What has to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    Sample,
    Another,
}

impl Price {
    pub(super) fn wanted(self) -> f64 {
        match self {
            Self::Sample => FOR_SAMPLE,
            Self::Another => FOR_ANOTHER,
        }
    }
}

/// One replica's.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many had asked when the last question was put.
    pub(super) heard: u64,
    pub(super) failed: bool,
    /// How long opening the connection may take.
    pub(super) patience: Patience,
    /// The replica may be left to wait: no question of that kind has failed.
    pub(super) holds: bool,
    /// When the last question was put.
    asked_at: Instant,
    /// When the connection was opened on which it was.
    opened_at: Instant,
    /// How long after a capture this replica is usually found to have replayed it.
    usual: Duration,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: 0,
            failed: false,
            patience: Patience::default(),
            holds: true,
            asked_at: now,
            opened_at: now,
            usual: Duration::ZERO,
        }
    }

    /// A question is put now.
    pub(super) fn put(&mut self, now: Instant, asked: u64) {
        self.asked_at = now;
        self.heard = asked;
    }

    /// A connection is opened for the next question.
    pub(super) fn opens(&mut self, now: Instant) {
        self.opened_at = now;
    }

    /// Whether the connection is to be opened anew where its server lacks what somebody has waited for since then: behind one
    /// name another server may have it. Ever more seldom, since all of them may lack it.
    pub(super) fn parts(&self, now: Instant, awaited_since: Instant) -> bool {
        let waited = now.saturating_duration_since(awaited_since);
        let kept = now.saturating_duration_since(self.opened_at);
        kept.min(waited) >= LEAST_KEPT.max(waited / PART)
    }

    /// The replica had been behind for so long, and is no more.
    pub(super) fn caught_up(&mut self, after: Duration) {
        // One that stood still for once rises it little, and one that is faster than thought lets it fall at once.
        let most = self.usual * 2 + 4 * LEAST;
        self.usual = after.min((self.usual * 3 + after.min(most)) / 4);
    }

    pub(super) fn next(&self, seen: &PollState) -> Next {
        if self.failed {
            return Next::Pause(PAUSE);
        }
        if let (Some(lsn), Some(_)) = (seen.holds_for, seen.behind_since) {
            return Next::Hold { lsn, most: HELD };
        }
        if seen.asked != self.heard {
            return Next::Within(Duration::ZERO);
        }
        let Some(since) = seen.behind_since else {
            return Next::Idle(MOST);
        };
        let behind = self.asked_at.saturating_duration_since(since);
        let is_first = self.asked_at < since;
        let due = |step: Duration| {
            let due = self.asked_at.max(since) + step;
            due.saturating_duration_since(seen.now)
        };
        // Not for a while after that as well: those questions are for nobody, and took what the cluster's allowance had for
        // everybody.
        if seen.awaited {
            return Next::Within(match is_first {
                true => Duration::ZERO,
                false => due((behind / PART_AWAITED).clamp(LEAST, MOST_AWAITED)),
            });
        }
        let price = match seen.another_covers {
            true => Price::Another,
            false => Price::Sample,
        };
        // The first question comes when half of the usual time is over: before that it would be in vain. An answer to the
        // capture comes sooner than the replay more often than not.
        let after = match is_first {
            true if self.usual > 4 * LEAST => due(self.usual / 2),
            true if seen.plenty => Duration::ZERO,
            true => due(LEAST),
            false => due((behind / PART).clamp(LEAST, MOST)),
        };
        Next::Afford(after, price)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LEAST, MOST, Next, PAUSE, Pace, PollState, Price};

    const MS: Duration = Duration::from_millis(1);

    fn seen(now: Instant, behind_since: Option<Instant>) -> PollState {
        PollState {
            now,
            asked: 0,
            awaited: false,
            behind_since,
            another_covers: false,
            plenty: true,
            holds_for: None,
        }
    }

    #[test]
    fn a_replica_that_has_all_is_asked_when_somebody_asks() {
        let now = Instant::now();
        let pace = Pace::new(now);
        assert_eq!(pace.next(&seen(now, None)), Next::Idle(MOST));
        let asked = PollState {
            asked: 1,
            ..seen(now, None)
        };
        assert_eq!(pace.next(&asked), Next::Within(Duration::ZERO));
    }

    #[test]
    fn a_capture_has_it_asked_at_once_and_then_ever_more_seldom() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let captured = now + MS;
        let at_once = pace.next(&seen(captured, Some(captured)));
        assert_eq!(at_once, Next::Afford(Duration::ZERO, Price::Sample));
        let short = PollState {
            plenty: false,
            ..seen(captured, Some(captured))
        };
        assert_eq!(pace.next(&short), Next::Afford(LEAST, Price::Sample));
        let (mut at, mut count) = (captured, 0);
        while at < captured + 200 * MS {
            pace.put(at, 0);
            count += 1;
            let Next::Afford(after, _) = pace.next(&seen(at, Some(captured))) else {
                panic!("it is behind");
            };
            at += after;
        }
        assert!((10..30).contains(&count), "{count} in 200 ms");
        pace.put(captured + 60 * MOST, 0);
        let last = pace.next(&seen(captured + 60 * MOST, Some(captured)));
        assert_eq!(last, Next::Afford(MOST, Price::Sample));
    }

    #[test]
    fn a_replica_that_is_usually_late_is_not_asked_before() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..40 {
            pace.caught_up(200 * MS);
        }
        let captured = now + MS;
        let Next::Afford(after, _) = pace.next(&seen(captured, Some(captured))) else {
            panic!("it is behind");
        };
        assert!((90 * MS..=100 * MS).contains(&after), "{after:?}");
        pace.caught_up(MS);
        let next = pace.next(&seen(captured, Some(captured)));
        assert_eq!(next, Next::Afford(Duration::ZERO, Price::Sample));
        pace.caught_up(MOST);
        let next = pace.next(&seen(captured, Some(captured)));
        assert_eq!(next, Next::Afford(Duration::ZERO, Price::Sample), "once");
    }

    #[test]
    fn one_more_replica_is_asked_only_where_there_is_enough_for_it() {
        let now = Instant::now();
        let second = PollState {
            another_covers: true,
            ..seen(now + MS, Some(now + MS))
        };
        let next = Pace::new(now).next(&second);
        assert_eq!(next, Next::Afford(Duration::ZERO, Price::Another));
        assert!(Price::Another.wanted() > Price::Sample.wanted());
    }

    #[test]
    fn whoever_waits_is_late_by_a_sixteenth_whatever_is_left() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let mut waits = |after: Duration| {
            pace.put(now + after, 0);
            pace.next(&PollState {
                awaited: true,
                ..seen(now + after, Some(now))
            })
        };
        assert_eq!(waits(MS), Next::Within(LEAST));
        assert_eq!(waits(160 * MS), Next::Within(10 * MS));
        assert_eq!(waits(60 * MOST), Next::Within(20 * MS));
    }

    #[test]
    fn nobody_pays_for_who_has_waited() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.put(now + MS, 1);
        let over = PollState {
            asked: 1,
            ..seen(now + 2 * MS, Some(now))
        };
        assert!(matches!(pace.next(&over), Next::Afford(..)));
    }

    #[test]
    fn a_server_that_can_wait_is_left_to_it_for_moments_however_far_it_is_behind() {
        let now = Instant::now();
        let pace = Pace::new(now);
        for after in [MS, 160 * MS, 60 * MOST] {
            let next = pace.next(&PollState {
                asked: 1,
                awaited: true,
                holds_for: Some(7),
                ..seen(now + after, Some(now))
            });
            let most = 5 * MS;
            assert_eq!(next, Next::Hold { lsn: 7, most });
        }
    }

    #[test]
    fn another_server_of_its_name_is_looked_for_ever_more_seldom() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun - MOST);
        assert!(!pace.parts(begun + 10 * MS, begun), "it has just come");
        let mut opened = 0;
        for now in (0..10_000).map(|ms| begun + ms * MS) {
            if pace.parts(now, begun) {
                pace.opens(now);
                opened += 1;
            }
        }
        assert!((10..40).contains(&opened), "{opened} in 10 s");
    }

    #[test]
    fn after_a_failure_nobody_hastens_it() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.failed = true;
        let asked = PollState {
            asked: 3,
            awaited: true,
            ..seen(now, Some(now))
        };
        assert_eq!(pace.next(&asked), Next::Pause(PAUSE));
    }
}
