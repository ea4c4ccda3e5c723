//! What an authority says of the epoch (rule T3): after a restore an earlier one counts again.

use tokio::sync::watch;

use super::Clock;
use crate::position::{ClusterId, Epoch};

/// The primary that an authority named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) cluster: Option<u64>,
    pub(crate) timeline: u64,
    /// When its server was started, by which another handle knows it.
    pub(crate) started: Option<u64>,
}

/// What was said last, and how often something was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    pub(crate) number: u64,
    pub(crate) named: Named,
}

impl Clock {
    /// This epoch counts from now on, whatever was seen: a handle was told so whose last word was that one. The number
    /// of the word; a handle that has not heard the last one covers nothing. The others hear it from
    /// [`words`](Self::words).
    ///
    /// What was written and seen until now is of what was before. Until the accepted primary has told its first
    /// position, nobody has come as far; then that stands for all of it, as after a promotion (rule C10). Taking back
    /// the epochs that were seen was rejected: sessions and replicas hold their ordinals.
    ///
    /// Another clock of the cluster begins its positions anew as well; its handles hear it from that one.
    pub(crate) fn take_word(&self, named: Named, heard: u64) -> u64 {
        let before = self.word();
        let word = self.begin_anew(named, heard);
        if word != before {
            self.each_peer(|peer| {
                peer.begin_anew(named, peer.word());
            });
        }
        word
    }

    fn begin_anew(&self, named: Named, heard: u64) -> u64 {
        let mut known = self.known();
        let current = known.epochs.current();
        let cluster = named.cluster.map(ClusterId);
        let cluster = cluster.or_else(|| current.map(|epoch| epoch.cluster));
        let (Some(cluster), Ok(timeline)) = (cluster, u32::try_from(named.timeline)) else {
            return self.word();
        };
        let epoch = Epoch { cluster, timeline };
        let said = *self.said.borrow();
        if heard < said.number && current == Some(epoch) && said.named == named {
            // Another handle was told before, and positions have begun anew since. Of another server in one epoch it was
            // not told: then the last word counts for all.
            return said.number;
        }
        if let Some(ordinal) = known.epochs.expect(epoch) {
            self.last.expect(ordinal);
        }
        let number = self.word() + 1;
        self.said.send_replace(Word { number, named });
        drop(known);
        // What this process wrote is covered by what the accepted primary says first.
        self.process.wrote(self.tick());
        self.ask();
        self.news.notify_waiters();
        number
    }

    /// The number of the last word: that of a handle that begins now.
    pub(crate) fn word(&self) -> u64 {
        self.said.borrow().number
    }

    /// What is said to any handle of the clock.
    pub(crate) fn words(&self) -> watch::Receiver<Word> {
        self.said.subscribe()
    }
}
