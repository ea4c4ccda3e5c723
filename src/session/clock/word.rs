//! What an authority says of the epoch (rule T3): after a restore an earlier one counts again.

use std::sync::atomic::Ordering;

use super::{Clock, NOBODY};
use crate::position::{ClusterId, Epoch};

impl Clock {
    /// This epoch counts from now on, whatever was seen: a handle was told so whose last word was that one. The number
    /// of the word; a handle that has not heard the last one covers nothing.
    ///
    /// What was written and seen until now is of what was before. Until the accepted primary has told its first
    /// position, nobody has come as far; then that stands for all of it, as after a promotion (rule C10). Taking back
    /// the epochs that were seen was rejected: sessions and replicas hold their ordinals.
    pub(crate) fn takes_word(&self, cluster: Option<u64>, timeline: u64, heard: u64) -> u64 {
        let mut known = self.known();
        let current = known.epochs.current();
        let cluster = cluster.map(ClusterId);
        let cluster = cluster.or_else(|| current.map(|epoch| epoch.cluster));
        let (Some(cluster), Ok(timeline)) = (cluster, u32::try_from(timeline)) else {
            return known.words;
        };
        let epoch = Epoch { cluster, timeline };
        if heard < known.words && current == Some(epoch) {
            // Another handle was told before, and positions have begun anew since.
            return known.words;
        }
        if let Some(ordinal) = known.epochs.expect(epoch) {
            self.lsn.store(NOBODY, Ordering::Release);
            self.epoch.store(ordinal, Ordering::Release);
        }
        known.words += 1;
        let word = known.words;
        drop(known);
        // What this process wrote is covered by what the accepted primary says first.
        self.process.wrote(self.tick());
        self.ask();
        self.news.notify_waiters();
        word
    }

    /// The last word, for a handle that begins now.
    pub(crate) fn word(&self) -> u64 {
        self.known().words
    }
}
