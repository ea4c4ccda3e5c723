//! When a node that failed is asked again: exponential backoff with jitter, and at once the first time (R8, T1).

use std::time::Duration;

use fastrand::Rng;

use super::Tuning;
use crate::signal::Signal;

/// The least time between two attempts to connect to a node that gives no connection (T1).
pub(super) const CONNECT_EVERY: Duration = Duration::from_millis(500);

/// A server that answers, if only to refuse, ends its sessions by itself.
pub(super) fn is_silence(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::TimedOut | Signal::Disconnected | Signal::Refused
    )
}

/// How long to wait for the next probe of an ejected node: not at all the first time, because most breaks are one
/// connection's; then from `first_backoff`, doubling, up to `eject_max`. A node that relapses while it ramps up goes on
/// where a steady one would begin. The jitter only shortens, so that the cap is one.
pub(super) fn backoff(tuning: &Tuning, failures: u32, relapses: u32, rng: &mut Rng) -> Duration {
    let steps = failures.saturating_sub(1).saturating_add(relapses);
    if steps == 0 {
        return Duration::ZERO;
    }
    let full = tuning
        .ejection
        .first_backoff
        .saturating_mul(1 << (steps - 1).min(20))
        .min(tuning.ejection.max_backoff);
    full.mul_f64(0.75 + 0.25 * rng.f64())
}
