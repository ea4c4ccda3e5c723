//! Who wants the primary's position, and whose turn it is to ask for it (coalescing single-flight: the wishes and the
//! lock).
//!
//! Writes want a capture only while somebody reads; bookmarks, new primaries and whoever waits want one in any case. At
//! most one is in flight for a cluster, whatever the number of its handles.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, futures::Notified};

use super::Clock;

/// What is wanted of captures, and whether one is under way.
#[derive(Debug, Default)]
pub(crate) struct CaptureWishes {
    /// One is wanted for a write.
    for_writes: Notify,
    /// One is wanted for another reason, so that also a handle without replicas sees to it.
    on_request: Notify,
    /// Somebody reads: without that, nobody needs to know where writes lie.
    read: AtomicBool,
    /// Captures wanted for another reason than a write, and how many of those wishes were met.
    asked: AtomicU64,
    answered: AtomicU64,
    /// Somebody captures.
    taken: AtomicBool,
    /// Somebody else wanted to meanwhile.
    contended: AtomicBool,
}

impl CaptureWishes {
    /// Ends when a write wants one.
    pub(crate) fn for_writes(&self) -> Notified<'_> {
        self.for_writes.notified()
    }

    /// Ends when somebody asks for one.
    pub(crate) fn on_request(&self) -> Notified<'_> {
        self.on_request.notified()
    }

    /// A write returned. In one order with what a reader says: one of the two wakes whoever captures.
    #[inline]
    pub(super) fn note_write(&self) {
        if self.read.load(Ordering::SeqCst) {
            self.for_writes.notify_one();
        }
    }

    /// How often one was asked for.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// One was answered that was sent when so many had been asked for.
    pub(super) fn answer(&self, asked: u64) {
        self.answered.fetch_max(asked, Ordering::AcqRel);
    }

    /// The turn, unless somebody has it, who then hears that it is wanted.
    pub(crate) fn take_turn(&self) -> Option<CaptureTurn<'_>> {
        let take = || self.taken.swap(true, Ordering::SeqCst);
        if take() {
            self.contended.store(true, Ordering::SeqCst);
            // It may have been given back in between, before that could be heard.
            if take() {
                return None;
            }
        }
        Some(CaptureTurn(self))
    }
}

/// The right to ask the primary; its drop gives it back, also when the task is dropped.
pub(crate) struct CaptureTurn<'a>(&'a CaptureWishes);

impl CaptureTurn<'_> {
    /// Gives it back without having met the wish: whoever else can is to hear of it.
    pub(crate) fn hand_on(self) {
        self.0.contended.store(true, Ordering::SeqCst);
    }
}

impl Drop for CaptureTurn<'_> {
    fn drop(&mut self) {
        let wishes = self.0;
        wishes.taken.store(false, Ordering::SeqCst);
        if wishes.contended.swap(false, Ordering::SeqCst) {
            wishes.for_writes.notify_one();
            wishes.on_request.notify_one();
        }
    }
}

impl Clock {
    /// A read looks what it needs.
    #[inline]
    pub(crate) fn note_read(&self) {
        let wishes = &self.captures;
        if !wishes.read.load(Ordering::Relaxed) {
            wishes.read.store(true, Ordering::SeqCst);
            wishes.for_writes.notify_one();
        }
    }

    /// Whether one did since the last call of [`forget_reads`](Self::forget_reads).
    pub(crate) fn is_read(&self) -> bool {
        self.captures.read.load(Ordering::Relaxed)
    }

    /// Lets the next read say so again.
    pub(crate) fn forget_reads(&self) {
        self.captures.read.store(false, Ordering::SeqCst);
    }

    /// Asks for a capture although nothing was written; the number to be compared with
    /// [`is_answered`](Self::is_answered).
    pub(crate) fn ask(&self) -> u64 {
        let asked = self.captures.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.captures.on_request.notify_one();
        asked
    }

    /// Whether a capture was sent after that.
    pub(crate) fn is_answered(&self, asked: u64) -> bool {
        self.captures.answered.load(Ordering::Acquire) >= asked
    }

    /// Whether somebody asked who was not answered yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.captures.answered.load(Ordering::Acquire) < self.captures.asked()
    }
}

#[cfg(test)]
mod tests {
    use super::CaptureWishes;

    #[tokio::test]
    async fn a_turn_that_somebody_wanted_meanwhile_wakes_when_it_is_given_back() {
        let wishes = CaptureWishes::default();
        let turn = wishes.take_turn().expect("nobody has it");
        assert!(wishes.take_turn().is_none(), "one at a time");
        drop(turn);
        // Both wake: it is not known which of the two wishes the other one had.
        wishes.for_writes().await;
        wishes.on_request().await;

        let turn = wishes.take_turn().expect("it was given back");
        turn.hand_on();
        wishes.for_writes().await;
        assert!(wishes.take_turn().is_some(), "it was given back");
    }
}
