//! Who wants to know how far the replicas have come.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, futures::Notified};

/// Reads that would have gone to a replica, had one been known to have come as far.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    asked: AtomicU64,
    waiting: AtomicU64,
    asks: Notify,
    wishes: Notify,
}

impl Demand {
    /// Somebody waits for the answer: it is asked at once, whatever was asked before.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.asks.notify_waiters();
    }

    /// Somebody waits until this is dropped, and each answer may be the one.
    pub(crate) fn wait(&self) -> Demanding<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.ask();
        Demanding(self)
    }

    /// Nobody waits, but a later read may profit: it is asked where nothing is under way and the allowance has something
    /// left. Nobody is woken who has such a question before him.
    pub(crate) fn wish(&self) {
        self.wishes.notify_waiters();
    }

    /// How often [`ask`](Self::ask) was called.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether somebody waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Ends when somebody asks who had not been heard.
    pub(super) async fn asked_beyond(&self, heard: u64) {
        let news = self.asks.notified();
        if self.asked() == heard {
            news.await;
        }
    }

    /// Ends at the next wish after this call.
    pub(super) fn wished(&self) -> Notified<'_> {
        self.wishes.notified()
    }
}

/// See [`Demand::wait`].
#[must_use = "whoever waits holds it"]
pub(crate) struct Demanding<'a>(&'a Demand);

impl Drop for Demanding<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
