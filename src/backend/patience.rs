//! How long an attempt to connect may take that nobody waits for (rule T6).
//!
//! What takes longer than one attempt may is begun anew each time, and never there: on a machine that is busy each of these
//! logins made the others take longer. A longer time for all was rejected: what leads to nobody would be noticed late.

use std::time::Duration;

/// How often the time is doubled at the most.
const MOST: u32 = 2;

/// How many attempts in a row took longer than they may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patience(u32);

impl Patience {
    /// How long the next one may take, where the first may take so long.
    pub(crate) fn limit(self, first: Duration) -> Duration {
        first * 2_u32.pow(self.0)
    }

    /// The last one took longer than it may.
    pub(crate) fn took_longer(self) -> Self {
        Self((self.0 + 1).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Patience;

    #[test]
    fn each_attempt_may_take_twice_as_long_as_the_last_up_to_four_times_the_first() {
        let mut patience = Patience::default();
        let limits = [(); 4].map(|()| {
            let limit = patience.limit(Duration::from_secs(2));
            patience = patience.took_longer();
            limit.as_secs()
        });
        assert_eq!(limits, [2, 4, 8, 8]);
    }
}
