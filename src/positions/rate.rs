//! How often something may be asked: a thousand times a second on average, and a few times in a row.
//!
//! A fixed pause between two questions was the first form. The runtime's timer has steps of a millisecond, so a pause of
//! one took up to two, and whoever waited for a replica waited for such a pause twice.

use std::time::Duration;

use tokio::time::Instant;

/// How many questions one second allows, and how many may follow each other at once.
const PER_SECOND: f64 = 1_000.0;
const AT_ONCE: f64 = 4.0;

/// A limit of how often something is asked.
#[derive(Debug)]
pub(super) struct Rate {
    left: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self {
            left: AT_ONCE,
            at: Instant::now(),
        }
    }

    /// Waits until one more is allowed, and takes it.
    pub(super) async fn take(&mut self) {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * PER_SECOND).min(AT_ONCE);
        self.at = now;
        if self.left < 1.0 {
            let missing = (1.0 - self.left) / PER_SECOND;
            tokio::time::sleep(Duration::from_secs_f64(missing)).await;
            // What the timer slept too long is earned like any other time.
            let slept = Instant::now();
            self.left += slept.saturating_duration_since(now).as_secs_f64() * PER_SECOND;
            self.at = slept;
        }
        self.left -= 1.0;
    }
}
