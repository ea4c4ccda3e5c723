//! Who wants the primary's position (coalescing single-flight: the wishes that one question meets).
//!
//! Writes want a capture only while somebody reads; bookmarks, new primaries and whoever waits want one in any case. One
//! task asks, whatever the number of handles.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, futures::Notified};

/// What is wanted of captures.
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

    /// A read looks what it needs.
    #[inline]
    pub(crate) fn note_read(&self) {
        if !self.read.load(Ordering::Relaxed) {
            self.read.store(true, Ordering::SeqCst);
            self.for_writes.notify_one();
        }
    }

    /// Whether one did since the last call of [`forget_reads`](Self::forget_reads).
    pub(crate) fn is_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// Lets the next read say so again.
    pub(crate) fn forget_reads(&self) {
        self.read.store(false, Ordering::SeqCst);
    }

    /// Asks for a capture although nothing was written; the number to be compared with
    /// [`is_answered`](Self::is_answered).
    pub(crate) fn ask(&self) -> u64 {
        let asked = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.on_request.notify_one();
        asked
    }

    /// Whether a capture was sent after that.
    pub(crate) fn is_answered(&self, asked: u64) -> bool {
        self.answered.load(Ordering::Acquire) >= asked
    }

    /// Whether somebody asked who was not answered yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.answered.load(Ordering::Acquire) < self.asked()
    }
}
