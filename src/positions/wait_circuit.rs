//! Half-open circuit breaker over the waits for a replica (rule C5): where reads wait in vain, they stop waiting.
//!
//! Reads that may wait for a replica ask it first, and tell it how their wait ended. With asynchronous commit a standby
//! receives nothing before the primary's next flush, a delayed or a paused one comes no nearer: each read would spend all
//! the time it has and go to the primary after all. So once half of the last waits were in vain, reads go there at once,
//! and one in a while tries: where its replica comes in time, all wait again. To judge by the time between a write and its
//! replay was the other way; it is known of what was replayed, and says nothing of a replica that stands still.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many waits are remembered, and of how few nothing is concluded.
const REMEMBERED: u32 = 16;
const TOO_FEW: u32 = 4;

/// The pause between two trials, in waits: so those that try lose a twentieth of one task's time.
const PAUSE: u32 = 20;

/// The longest pause between two trials.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Whether waits for a replica pay, by how the last ones ended.
#[derive(Debug, Default)]
pub(crate) struct WaitCircuit(Mutex<Circuit>);

#[derive(Clone, Copy, Debug, Default)]
struct Circuit {
    /// One bit for each wait, the last one lowest; set where it was in vain.
    vain: u32,
    count: u32,
    /// Waits do not pay; from this moment on one may try.
    trial_at: Option<Instant>,
    /// The longest wait that was in vain: of longer ones nothing is concluded.
    longest: Duration,
}

impl WaitCircuit {
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a read may wait so long now.
    pub(crate) fn lets_wait(&self, now: Instant, limit: Duration) -> bool {
        let circuit = self.circuit();
        circuit
            .trial_at
            .is_none_or(|at| now >= at || limit > circuit.longest)
    }

    /// A wait begins that may last so long: while waits do not pay, nobody else tries meanwhile.
    pub(crate) fn begin(&self, now: Instant, limit: Duration) {
        let mut circuit = self.circuit();
        if let Some(at) = &mut circuit.trial_at {
            *at = now + pause(limit);
            // This one says how long a wait has to be to be judged by it.
            circuit.longest = limit;
        }
    }

    /// A wait that might have lasted so long ended.
    pub(crate) fn end(&self, now: Instant, limit: Duration, in_time: bool) {
        let mut circuit = self.circuit();
        if !in_time {
            circuit.longest = circuit.longest.max(limit);
        }
        if in_time && circuit.trial_at.is_some() {
            *circuit = Circuit::default();
        }
        circuit.vain = (circuit.vain << 1 | u32::from(!in_time)) & ((1 << REMEMBERED) - 1);
        circuit.count = REMEMBERED.min(circuit.count + 1);
        let mostly_vain = circuit.vain.count_ones() * 2 >= circuit.count;
        if !in_time && circuit.count >= TOO_FEW && mostly_vain {
            circuit.trial_at = Some(now + pause(limit));
        }
    }
}

/// How long nobody tries after a wait of this length.
fn pause(limit: Duration) -> Duration {
    limit.saturating_mul(PAUSE).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PAUSE, WaitCircuit};

    const LIMIT: Duration = Duration::from_millis(10);

    fn in_vain(circuit: &WaitCircuit, now: Instant, count: u32) {
        for _ in 0..count {
            circuit.end(now, LIMIT, false);
        }
    }

    #[test]
    fn reads_wait_while_most_waits_end_in_time() {
        let (circuit, now) = (WaitCircuit::default(), Instant::now());
        assert!(circuit.lets_wait(now, LIMIT));
        in_vain(&circuit, now, 3);
        assert!(
            circuit.lets_wait(now, LIMIT),
            "of three nothing is concluded"
        );
        for _ in 0..12 {
            circuit.end(now, LIMIT, true);
        }
        in_vain(&circuit, now, 4);
        assert!(
            circuit.lets_wait(now, LIMIT),
            "seven of the last sixteen at most"
        );
    }

    #[test]
    fn after_waits_in_vain_one_read_in_a_while_tries() {
        let (circuit, now) = (WaitCircuit::default(), Instant::now());
        in_vain(&circuit, now, 4);
        assert!(!circuit.lets_wait(now, LIMIT));
        let later = now + LIMIT * PAUSE;
        assert!(circuit.lets_wait(later, LIMIT));
        circuit.begin(later, LIMIT);
        assert!(!circuit.lets_wait(later, LIMIT), "the second one does not");
        circuit.end(later + LIMIT, LIMIT, false);
        assert!(!circuit.lets_wait(later + LIMIT, LIMIT));
        assert!(circuit.lets_wait(later + LIMIT + LIMIT * PAUSE, LIMIT));
    }

    #[test]
    fn waits_that_may_last_longer_are_not_judged_by_shorter_ones() {
        let (circuit, now) = (WaitCircuit::default(), Instant::now());
        in_vain(&circuit, now, 4);
        assert!(circuit.lets_wait(now, LIMIT * 2));
    }

    #[test]
    fn a_replica_that_came_in_time_lets_all_wait_again() {
        let (circuit, now) = (WaitCircuit::default(), Instant::now());
        in_vain(&circuit, now, 16);
        assert!(!circuit.lets_wait(now, LIMIT));
        circuit.end(now, LIMIT, true);
        assert!(circuit.lets_wait(now, LIMIT));
        in_vain(&circuit, now, 1);
        assert!(
            circuit.lets_wait(now, LIMIT),
            "what was before is forgotten"
        );
    }
}
