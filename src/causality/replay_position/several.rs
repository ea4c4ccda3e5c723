//! What a node knows of several servers behind its name (rule C6).

use std::time::{Duration, Instant};

use super::Replayed;
use super::servers::{LedTo, PrimaryWord, ServerNeed, ServerPositions, ServerWord};
use crate::causality::ReadRequirement;

impl Replayed {
    /// A connection to one of several servers said how far that has come. Whether the primary is to be asked, so that it can
    /// count.
    pub(crate) fn note_server(&self, led_to: LedTo, word: ServerWord) -> bool {
        self.notes().servers.note(led_to, word, Instant::now())
    }

    /// Whether the primary is to be asked on account of a server that was heard of since the last call.
    pub(crate) fn asks_primary(&self) -> bool {
        std::mem::take(&mut self.notes().asks_primary)
    }

    /// Finds out by the primary's word which of several servers have its history.
    pub(crate) fn judge_servers(&self, primary: PrimaryWord) {
        if self.is_mixed() {
            self.notes().servers.judge(primary);
        }
    }

    /// Whether the one of several servers to which this connection led is to be asked now on which timeline it was left alone.
    pub(crate) fn asks_timeline(&self, led_to: LedTo) -> bool {
        self.notes().servers.ask_timeline(led_to, Instant::now())
    }

    /// The servers that are known to have come so far: the node's own, or whichever of several has said so since then.
    pub(crate) fn servers_having(&self, epoch: u64, lsn: u64, since: Instant) -> Vec<u64> {
        if self.is_mixed() {
            return self.with_servers(|servers| servers.having(epoch, lsn, since));
        }
        let server = self.told().and_then(|told| told.server);
        let has = self.covers(ReadRequirement::Position { epoch, lsn });
        server.filter(|_| has).into_iter().collect()
    }

    /// How far the one of several servers has replayed that is furthest, by what was told lately.
    pub(crate) fn furthest(&self) -> Option<u64> {
        let now = Instant::now();
        self.with_servers(|servers| servers.furthest(now))
    }

    /// A read with these needs goes to the one of several servers to which this connection leads. Where another one may do and gets
    /// none: how long after one connection the next may be parted with for that.
    pub(crate) fn note_read(&self, led_to: LedTo, need: ServerNeed) -> Option<Duration> {
        let (mut notes, now) = (self.notes(), Instant::now());
        notes.servers.note_read(led_to, now);
        notes.servers.neglected(led_to, need, now)
    }

    /// Looks at what is known of several servers.
    pub(crate) fn with_servers<T>(&self, look: impl FnOnce(&ServerPositions) -> T) -> T {
        look(&self.notes().servers)
    }
}
