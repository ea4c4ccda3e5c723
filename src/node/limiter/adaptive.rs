//! Adaptive concurrency limit: how many statements a node is given at a time, learned from their response times.
//!
//! A server that has as many statements at work as it has cores answers sooner than one that has them all: what waits here
//! costs it nothing, what waits there costs it switches and caches. How many are best nobody can know beforehand, so two
//! limits are tried in turns, one below the present one and one above it, and the one with the shorter response times is
//! the next one. The response time counts from asking, so that what a limit makes wait speaks against it; its logarithm is
//! averaged, so that a few long statements do not outweigh all others.
//!
//! The gradient of latency over its least value (TCP Vegas; Netflix' concurrency-limits) was rejected: where statements
//! differ, the least value is that of another kind, and a large server is held at a few statements for ever.

/// Nothing is learned below: one statement at a time would leave a server idle for each round trip.
const LEAST: u32 = 2;

/// The next limit to try is so much smaller or larger.
const STEP: f64 = 0.7;

/// Means of logarithms to base 2 that differ by less are equal: 2 %.
const EQUAL: f64 = 0.03;

/// In this order, so that what grows steadily meanwhile counts for both alike.
const TURNS: [Trial; 4] = [Trial::High, Trial::Low, Trial::Low, Trial::High];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    Low,
    High,
}

/// What was seen while a limit was in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TrialResult {
    /// The mean of the response times' logarithms to base 2.
    pub(super) mean: f64,
    /// Some statement had to wait for the limit.
    pub(super) waited: bool,
}

/// The limit of one node.
#[derive(Clone, Debug)]
pub(super) struct AdaptiveLimit {
    most: u32,
    limit: u32,
    turn: usize,
    low: f64,
    high: f64,
    waited: bool,
    free: bool,
}

impl AdaptiveLimit {
    /// Begins with all that there may be.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: most.max(1),
            limit: most.max(1),
            turn: 0,
            low: 0.0,
            high: 0.0,
            waited: false,
            free: false,
        }
    }

    /// There is all that there may be, and nobody has waited for it lately: there is nothing to be learned.
    pub(super) fn is_free(&self) -> bool {
        self.free
    }

    /// The limit that is in force now.
    pub(super) fn in_force(&self) -> u32 {
        match TURNS[self.turn] {
            Trial::Low => self.lower(),
            Trial::High => self.higher(),
        }
    }

    /// Takes in what was seen under the limit in force; the next one is in force from then on.
    pub(super) fn learn(&mut self, seen: TrialResult) {
        match TURNS[self.turn] {
            Trial::Low => self.low += seen.mean,
            Trial::High => self.high += seen.mean,
        }
        self.waited |= seen.waited;
        self.turn += 1;
        if self.turn < TURNS.len() {
            return;
        }
        let trials = f64::from(u8::try_from(TURNS.len() / 2).unwrap_or(u8::MAX));
        let gain = (self.high - self.low) / trials;
        let next = match self.waited {
            // It did not bind: there is nothing to be learned, and room for what comes.
            false => self.higher(),
            true if gain > EQUAL => self.lower(),
            true if gain < -EQUAL => self.higher(),
            true => self.limit,
        };
        *self = Self {
            limit: next,
            free: !self.waited && self.limit == self.most,
            ..Self::new(self.most)
        };
    }

    /// What was seen of these trials is of another load; the limit that earlier ones found is as good as any.
    pub(super) fn try_anew(&mut self) {
        *self = Self {
            limit: self.limit,
            ..Self::new(self.most)
        };
    }

    /// What was learned is of another time.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.most);
    }

    fn lower(&self) -> u32 {
        let lower = (f64::from(self.limit) * STEP).floor();
        to_limit(lower).max(LEAST).min(self.most)
    }

    fn higher(&self) -> u32 {
        let higher = (f64::from(self.limit) / STEP).ceil();
        to_limit(higher).min(self.most)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a product of a small number that is not negative"
)]
fn to_limit(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::{AdaptiveLimit, TrialResult};

    /// A server with so many cores, and so many callers that each ask again at once. Each statement beyond its cores costs
    /// all of them so much of their time.
    struct ModelServer {
        cores: f64,
        callers: f64,
        cost: f64,
    }

    impl ModelServer {
        fn seen(&self, limit: u32) -> TrialResult {
            let at_work = self.callers.min(f64::from(limit));
            let over = (at_work - self.cores).max(0.0);
            let rate = at_work.min(self.cores) / (1.0 + self.cost * over);
            TrialResult {
                mean: (self.callers / rate).log2(),
                waited: self.callers > f64::from(limit),
            }
        }

        /// The limit after so many trials.
        fn learned(&self, limit: &mut AdaptiveLimit, trials: u32) -> u32 {
            for _ in 0..trials {
                limit.learn(self.seen(limit.in_force()));
            }
            limit.limit
        }
    }

    const SMALL: ModelServer = ModelServer {
        cores: 2.0,
        callers: 32.0,
        cost: 0.02,
    };

    #[test]
    fn a_small_server_is_given_few_statements_at_a_time() {
        let mut limit = AdaptiveLimit::new(32);
        assert_eq!(limit.limit, 32);
        let learned = SMALL.learned(&mut limit, 60);
        assert!((2..=4).contains(&learned), "{learned}");
    }

    #[test]
    fn a_large_server_is_given_all_that_it_can_do_at_once() {
        let large = ModelServer {
            cores: 64.0,
            callers: 48.0,
            cost: 0.02,
        };
        let mut limit = AdaptiveLimit::new(100);
        assert_eq!(large.learned(&mut limit, 60), 100);
        // Also after it was a small one for a while.
        SMALL.learned(&mut limit, 60);
        let learned = large.learned(&mut limit, 60);
        assert!(learned >= 48, "{learned}");
        let busy = ModelServer {
            callers: 500.0,
            ..large
        };
        let learned = busy.learned(&mut limit, 60);
        assert!((45..=91).contains(&learned), "{learned}");
    }

    #[test]
    fn where_a_limit_wins_nothing_it_does_not_fall() {
        let free = ModelServer { cost: 0.0, ..SMALL };
        let mut limit = AdaptiveLimit::new(32);
        assert_eq!(free.learned(&mut limit, 60), 32);
    }

    #[test]
    fn nothing_is_learned_where_nobody_waits() {
        let idle = ModelServer {
            callers: 3.0,
            ..SMALL
        };
        let mut limit = AdaptiveLimit::new(10);
        assert_eq!(idle.learned(&mut limit, 60), 10);
        assert!(limit.is_free());
        SMALL.learned(&mut limit, 60);
        assert!(!limit.is_free());
    }

    #[test]
    fn it_is_never_less_than_two_nor_more_than_there_is() {
        let mut tiny = AdaptiveLimit::new(1);
        assert_eq!(SMALL.learned(&mut tiny, 20), 1);
        let one = ModelServer {
            cores: 1.0,
            cost: 1.0,
            ..SMALL
        };
        let mut limit = AdaptiveLimit::new(7);
        assert_eq!(one.learned(&mut limit, 60), 2);
        limit.try_anew();
        assert_eq!(limit.limit, 2);
        limit.forget();
        assert_eq!(limit.limit, 7);
    }

    #[test]
    fn what_grows_steadily_meanwhile_is_not_taken_for_a_limits_fault() {
        let mut limit = AdaptiveLimit::new(32);
        let mut grown = 0.0;
        for _ in 0..60 {
            grown += 0.05;
            limit.learn(TrialResult {
                mean: 10.0 + grown,
                waited: true,
            });
        }
        assert_eq!(limit.limit, 32);
    }
}
