//! The safety net under the judgement of texts (I6).
//!
//! A statement that was taken for a read and that a replica refused as a write runs once on the primary. The verdict on
//! its text is corrected only on proof. What can act outside the server is never run twice, whatever a server says.

use crate::signal::Signal;

/// Whether the verdict on the text is to be corrected: the code alone said that it is a write, or it succeeded on the
/// primary where a replica had refused it.
#[must_use]
pub(crate) const fn corrects(refusal: Signal, succeeded_on_primary: bool) -> bool {
    match refusal {
        Signal::RefusedAsWrite { certain } => certain || succeeded_on_primary,
        Signal::ReadOnly
        | Signal::Terminated
        | Signal::SessionEnded
        | Signal::SessionLost
        | Signal::Starting
        | Signal::Recovering
        | Signal::Stopping
        | Signal::Disconnected
        | Signal::Refused
        | Signal::AcquireTimeout
        | Signal::PoolClosed
        | Signal::Overloaded
        | Signal::RecoveryConflict { .. }
        | Signal::Serialization
        | Signal::Cancelled
        | Signal::Rejected
        | Signal::Outdated
        | Signal::Server
        | Signal::Unsent
        | Signal::Unread
        | Signal::TimedOut
        | Signal::Cut
        | Signal::Unknown => false,
    }
}
