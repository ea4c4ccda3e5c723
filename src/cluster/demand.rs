//! Who wants to know how far the replicas have come.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

/// The least and the most time between two questions to one replica.
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_secs(1);

/// Reads that would have gone to a replica, had one been known to have come as far.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    asked: AtomicU64,
    news: Notify,
}

impl Demand {
    /// A read was kept away from the replicas.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.news.notify_waiters();
    }

    /// How often that happened.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// Waits until somebody asks who had not been heard, but a millisecond at the least and a second at the most.
    pub(super) async fn quiet(&self, heard: u64) {
        tokio::time::sleep(LEAST).await;
        let news = self.news.notified();
        if self.asked() == heard {
            // Either will do.
            let _ = tokio::time::timeout(MOST, news).await;
        }
    }
}
