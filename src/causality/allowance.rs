//! Token bucket over the application's statements: how much is asked of the servers that nobody waits for (rule C5).
//!
//! A question is worth the reads that it lets go to a replica. So questions earn by them: one for each read that a
//! replica served, a twentieth of all statements at the most; one for each that was covered, and so was won by questions, a
//! quarter at the most; and fifty a second where there is little traffic. Where writes come faster than that covers, or
//! replicas stand still, less is asked and not more. A fixed limit of a thousand a second was the first form: with one write
//! in ten statements it came to 0.2 to 0.4 questions for each statement, and seven of eight reads went to the primary all the
//! same. A twentieth whatever was won was the second: at 470 writes a second, with processors that had time, 5 % of the
//! reads of a process went to replicas where 72 % do.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What is earned whatever the traffic, in a second.
const PER_SECOND: f64 = 50.0;

/// What statements earn.
const OF_STATEMENTS: f64 = 0.05;

/// What covered reads earn at the most, of all statements: with one write in ten, a capture and two samples for each are
/// more than that.
const OF_COVERED: f64 = 0.25;

/// What may be saved up: two quiet seconds.
const SAVED: f64 = 2.0 * PER_SECOND;

/// What those may be behind who asked because somebody waits: it is earned back by whoever asks for nobody.
const OWED: f64 = PER_SECOND;

/// How seldom it is reckoned: the statements' counters lie in many cells.
pub(crate) const RECKONED: Duration = Duration::from_millis(2);

/// What a capture has to find, so that a replica can be asked for it.
pub(crate) const FOR_CAPTURE: f64 = 2.0;

/// What the first replica takes that is asked after a capture.
pub(crate) const FOR_SAMPLE: f64 = 1.0;

/// What has to be there to ask one more replica, and to ask before the replay is likely to be over: the captures of the
/// next seconds and a sample for each are kept back.
pub(crate) const FOR_ANOTHER: f64 = SAVED * 0.75;

/// Statements of the application, as counted up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) statements: u64,
    /// Statements that replicas served, of all these.
    pub(crate) on_replicas: u64,
    /// Reads of these that had to see something, and whose replica was known to have it.
    pub(crate) covered: u64,
}

impl Traffic {
    /// What came since. Of a node that is gone nothing is counted any more.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            statements: self.statements.saturating_sub(before.statements),
            on_replicas: self.on_replicas.saturating_sub(before.on_replicas),
            covered: self.covered.saturating_sub(before.covered),
        }
    }
}

/// How many questions are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            left: SAVED,
            at: now,
        }
    }

    /// The application's statements are to be counted again.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= RECKONED
    }

    /// Adds what the statements since the last count are worth.
    pub(crate) fn earn(&mut self, now: Instant, came: Traffic) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let statements = came.statements as f64;
        let by_traffic = (statements * OF_STATEMENTS).min(came.on_replicas as f64);
        let by_yield = (came.covered as f64).min(statements * OF_COVERED);
        let earned = by_traffic.max(by_yield).max(passed * PER_SECOND);
        self.left = (self.left + earned).min(SAVED);
    }

    /// Whether so much is left.
    pub(crate) fn has(&self, wanted: f64) -> bool {
        self.left >= wanted
    }

    /// Something is asked, whether or not anything is left for it.
    pub(crate) fn spend(&mut self) {
        self.left = (self.left - 1.0).max(-OWED);
    }
}

/// One for a cluster, whatever the number of handles.
#[derive(Debug)]
pub(crate) struct SharedAllowance(Mutex<Allowance>);

impl Default for SharedAllowance {
    fn default() -> Self {
        Self(Mutex::new(Allowance::new(Instant::now())))
    }
}

impl SharedAllowance {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Allowance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Allowance, FOR_SAMPLE, SAVED, Traffic};

    const STEP: Duration = Duration::from_millis(10);

    /// Asks whenever it may, for so many seconds of this traffic a second; how often that is.
    fn spent(allowance: &mut Allowance, from: Instant, seconds: u32, a_second: Traffic) -> u64 {
        let mut asked = 0;
        for step in 1..=seconds * 100 {
            let came = Traffic {
                statements: a_second.statements / 100,
                on_replicas: a_second.on_replicas / 100,
                covered: a_second.covered / 100,
            };
            allowance.earn(from + STEP * step, came);
            while allowance.has(FOR_SAMPLE) {
                allowance.spend();
                asked += 1;
            }
        }
        asked
    }

    fn empty(now: Instant) -> Allowance {
        let mut allowance = Allowance::new(now);
        while allowance.has(FOR_SAMPLE) {
            allowance.spend();
        }
        allowance
    }

    #[test]
    fn a_twentieth_of_the_statements_is_earned_where_replicas_serve_them() {
        let (now, a_second) = (
            Instant::now(),
            Traffic {
                statements: 10_000,
                on_replicas: 2_000,
                covered: 0,
            },
        );
        let asked = spent(&mut empty(now), now, 10, a_second);
        assert!((4_990..=5_001).contains(&asked), "{asked}");
    }

    #[test]
    fn no_more_is_asked_than_reads_profit() {
        let (now, mut a_second) = (
            Instant::now(),
            Traffic {
                statements: 10_000,
                on_replicas: 200,
                covered: 200,
            },
        );
        let asked = spent(&mut empty(now), now, 10, a_second);
        assert!((1_990..=2_001).contains(&asked), "{asked}");
        (a_second.on_replicas, a_second.covered) = (0, 0);
        let asked = spent(&mut empty(now), now, 10, a_second);
        assert!(
            (490..=501).contains(&asked),
            "{asked}: replicas stand still"
        );
    }

    #[test]
    fn each_read_that_was_won_earns_the_next_question_up_to_a_quarter_of_the_statements() {
        let (now, mut a_second) = (
            Instant::now(),
            Traffic {
                statements: 10_000,
                on_replicas: 8_000,
                covered: 1_500,
            },
        );
        let asked = spent(&mut empty(now), now, 10, a_second);
        assert!((14_990..=15_001).contains(&asked), "{asked}");
        a_second.covered = 8_000;
        let asked = spent(&mut empty(now), now, 10, a_second);
        assert!((24_990..=25_001).contains(&asked), "{asked}");
    }

    #[test]
    fn with_little_traffic_fifty_a_second_are_earned_and_two_seconds_saved() {
        let now = Instant::now();
        let asked = spent(&mut Allowance::new(now), now, 10, Traffic::default());
        assert!((590..=601).contains(&asked), "{asked}");
        let mut rested = empty(now);
        rested.earn(now + Duration::from_secs(60), Traffic::default());
        assert!(rested.has(SAVED) && !rested.has(SAVED + 1.0));
    }

    #[test]
    fn what_is_asked_for_those_who_wait_is_earned_back_within_a_second() {
        let now = Instant::now();
        let mut allowance = empty(now);
        for _ in 0..1_000 {
            allowance.spend();
        }
        allowance.earn(now + Duration::from_secs(1), Traffic::default());
        assert!(!allowance.has(FOR_SAMPLE));
        allowance.earn(now + Duration::from_millis(1_100), Traffic::default());
        assert!(allowance.has(FOR_SAMPLE));
    }
}
