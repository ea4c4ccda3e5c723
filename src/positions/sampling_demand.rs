//! Who wants to know how far the replicas have come.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

/// Reads that would have gone to a replica, had one been known to have come as far.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    asked: AtomicU64,
    news: Notify,
}

impl Demand {
    /// A read was kept away from the replicas, or what it waits for is known now.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.news.notify_waiters();
    }

    /// How often [`ask`](Self::ask) was called.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// Waits until somebody asks who had not been heard, but so long at the most.
    pub(super) async fn quiet(&self, heard: u64, most: Duration) {
        let news = self.news.notified();
        if self.asked() == heard {
            // Either will do.
            let _ = tokio::time::timeout(most, news).await;
        }
    }
}
