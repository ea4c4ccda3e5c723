//! The write clock: what this process wrote to one cluster, and up to where that is known to lie (rules C1, C2).
//!
//! A write that returns ticks the clock. A capture asks the primary for its position afterwards, on a connection of its
//! own, and covers every tick that was there when it was sent: so one capture serves any number of writes, and the
//! write path has no round trip more. Until a tick is covered, reads that need it go to the primary. Asking for the
//! position inside the write's own statement was rejected: it is taken before the commit record and comes out too low.
//!
//! Readers compare atomics only. Whose writes they are the write clock does not know: sessions keep numbers of it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

#[cfg(test)]
use super::Upstream;
use super::{
    ReplayReport,
    captures::CaptureWishes,
    concrete_writes::ConcreteWrites,
    epochs::{Epochs, PrimaryPlace},
    pending_writes::{PendingWrites, WriteReturn},
    pin::nanos,
    position_cell::PositionCell,
    remembered_captures::{RememberedCapture, RememberedCaptures},
    requirement::ReadRequirement,
    word::{Named, Word},
    write_count::WriteCount,
};
use crate::{
    metrics::Histogram,
    position::{Asks, ClusterId, Epoch, GtidSet, Lsn, Position},
};

/// What this process wrote to one cluster.
#[derive(Debug, Default)]
pub(crate) struct WriteClock {
    pub(super) count: WriteCount,
    /// The writes that have not returned although their callers are gone.
    pub(super) pending: PendingWrites,
    /// What was done through `concrete()`.
    pub(super) concrete: ConcreteWrites,
    /// The position of the last capture.
    pub(super) last: PositionCell,
    known: Mutex<Known>,
    /// What an authority said last of which epoch counts; written under the lock of the above.
    said: watch::Sender<Word>,
    /// Positions of sessions that were exchanged because their epoch was over.
    lost: AtomicU64,
    /// The log has said that bookmarks would be too long.
    long_mark: AtomicBool,
    /// The primary or a replica said how far it has come.
    pub(crate) news: Notify,
}

#[derive(Debug, Default)]
struct Known {
    epochs: Epochs,
    captures: RememberedCaptures,
}

impl WriteClock {
    /// A write returned, or something else that may have written ended: its number.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.count.tick()
    }

    /// How many writes have returned: what a capture that is sent from now on covers.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.count.ticks()
    }

    /// Whether the last capture covers so many of the writes that returned.
    #[inline]
    pub(super) fn covers(&self, ticks: u64) -> bool {
        self.count.covered.load(Ordering::Acquire) >= ticks
    }

    /// Whether some write is not covered yet.
    pub(crate) fn wants_capture(&self) -> bool {
        self.count.wants_capture()
    }

    /// Who wants captures.
    #[inline]
    pub(crate) fn captures(&self) -> &CaptureWishes {
        &self.count.captures
    }

    /// What a read needs that has to see so many of the writes that returned, by the first capture that covers them, as far
    /// back as captures are remembered.
    pub(super) fn first_need_of(&self, ticks: u64) -> ReadRequirement {
        if ticks == 0 || !self.covers(ticks) {
            return self.need_of(ticks);
        }
        let known = self.known();
        match known.captures.first_covering(ticks) {
            Some(RememberedCapture { epoch, lsn, .. }) => ReadRequirement::Position { epoch, lsn },
            None => ReadRequirement::Primary,
        }
    }

    /// What a capture that is sent now will answer. `word`: the last word of an authority that its handle heard.
    pub(crate) fn question(&self, word: u64) -> Question {
        self.known().epochs.ask();
        let question = Question {
            word,
            // Before the ticks are read: what comes in between counts for the next one.
            since: self.count.uncovered_since.swap(0, Ordering::Relaxed),
            ticks: self.ticks(),
            asked: self.captures().asked(),
        };
        let questioned = &self.count.questioned;
        questioned.fetch_max(question.ticks, Ordering::SeqCst);
        question
    }

    /// The primary's place, from a capture that was sent after that question was taken down. Refused is an epoch below the
    /// greatest seen, or another cluster: what a stale primary says covers nothing (rule C2). So is whatever was asked before an authority said which epoch
    /// counts, or by a handle that has not heard it: the primary that it leads to may be the one that is over, and its
    /// epoch the greater one.
    ///
    /// Only the one that captures calls this.
    pub(crate) fn cover(&self, question: Question, place: PrimaryPlace) -> bool {
        let (ticks, lsn) = (question.ticks, place.position.lsn.0);
        let mut known = self.known();
        if question.word != self.word() {
            return false;
        }
        let Some(epoch) = known.epochs.admit(&place) else {
            return false;
        };
        if self.last.lsn().is_none() || epoch != self.epoch() {
            self.last.begin(epoch, lsn);
        } else {
            self.last.raise(lsn);
        }
        known.captures.remember(RememberedCapture {
            covered: ticks,
            epoch,
            lsn,
            at: Instant::now(),
        });
        drop(known);
        self.count.covered.fetch_max(ticks, Ordering::AcqRel);
        self.captures().answer(question.asked);
        if question.since != 0 {
            let waited = nanos(Instant::now()).saturating_sub(question.since);
            self.count.covering.record(Duration::from_nanos(waited));
        }
        self.news.notify_waiters();
        true
    }

    /// How long writes waited for the capture that covers them: the oldest of each capture.
    pub(crate) fn covering(&self) -> &Histogram {
        &self.count.covering
    }

    /// How many writes are open although their callers are gone.
    pub(crate) fn open_writes(&self) -> u64 {
        self.pending.count()
    }

    /// A connection of `concrete()` came back: whatever was done with it returned with this.
    pub(super) fn note_concrete_returned(&self, at: Instant, pin: Duration) {
        let tick = self.tick();
        self.concrete.take_in(WriteReturn { tick, at, pin });
    }

    /// A connection of `concrete()` is out while somebody reads: what was committed on it by now counts as returned, and
    /// is covered by whatever capture is sent from now on. One serves all who come before it is.
    pub(crate) fn note_concrete_out(&self) {
        self.concrete.raise(self.count.tick_for_next_question());
    }

    /// This epoch counts from now on, for a handle whose last word was that one: the number of the new word. Where there
    /// is nothing to begin anew, the number of the word that counts already.
    ///
    /// Whoever calls this says then that what was written is covered by what the accepted primary says first.
    pub(super) fn begin_anew(&self, named: Named, heard: u64) -> Result<u64, u64> {
        let mut known = self.known();
        let current = known.epochs.current();
        let cluster = named.cluster.map(ClusterId);
        let cluster = cluster.or_else(|| current.map(|epoch| epoch.cluster));
        // Where there are no timelines, what stands in their place for roles is none of the positions' (rules C15, T19).
        let timeline = match current.map(|epoch| epoch.timeline) {
            Some(Epoch::WITHOUT_TIMELINE) => Ok(Epoch::WITHOUT_TIMELINE),
            _ => u32::try_from(named.timeline),
        };
        let (Some(cluster), Ok(timeline)) = (cluster, timeline) else {
            return Err(self.word());
        };
        let epoch = Epoch { cluster, timeline };
        let said = *self.said.borrow();
        if heard < said.number && current == Some(epoch) && said.named == named {
            // Another handle was told before, and positions have begun anew since. Of another server in one epoch it was
            // not told: then the last word counts for all.
            return Err(said.number);
        }
        if let Some(ordinal) = known.epochs.expect(epoch) {
            self.last.expect(ordinal);
        }
        let number = self.word() + 1;
        self.said.send_replace(Word { number, named });
        Ok(number)
    }

    /// The number of the last word: that of a handle that begins now.
    pub(crate) fn word(&self) -> u64 {
        self.said.borrow().number
    }

    /// What is said to any handle of the clock.
    pub(crate) fn words(&self) -> watch::Receiver<Word> {
        self.said.subscribe()
    }

    /// When those captures were answered whose positions lie in there.
    pub(crate) fn captured(&self, epoch: u64, above: u64, up_to: u64) -> Vec<Instant> {
        self.known().captures.within(epoch, above, up_to)
    }

    /// When the first capture was answered whose position no replica shows that has come as far as this; nothing where it
    /// has come as far as the last one.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        allow(dead_code, reason = "SQLite needs no positions")
    )]
    pub(crate) fn uncovered(&self, epoch: u64, lsn: u64) -> Option<Instant> {
        self.known().captures.first_beyond(epoch, lsn)
    }

    /// The ordinal of the current epoch; 0 before the first capture.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.last.epoch()
    }

    /// The primary's epoch and position, as far as they are known.
    pub(crate) fn greatest(&self) -> Option<Position> {
        let known = self.known();
        let lsn = self.last.lsn();
        Some(Position {
            epoch: known.epochs.epoch(self.epoch())?,
            lsn: Lsn(lsn?),
        })
    }

    /// The first position that was seen from the primary of this epoch, once there is one (rule C10).
    pub(crate) fn first_of(&self, ordinal: u64) -> Option<u64> {
        self.known().epochs.first_position(ordinal)
    }

    /// Whether this epoch was that of the primary once, and is no more.
    pub(crate) fn is_over(&self, epoch: Epoch) -> bool {
        self.known().epochs.is_over(epoch)
    }

    /// A position of a session was exchanged because its epoch was over.
    pub(super) fn count_position_lost(&self) {
        self.lost.fetch_add(1, Ordering::AcqRel);
    }

    /// How many positions of sessions were of an epoch that is over.
    pub(crate) fn positions_lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// The epoch with this ordinal.
    pub(crate) fn epoch_of(&self, ordinal: u64) -> Option<Epoch> {
        self.known().epochs.epoch(ordinal)
    }

    /// The ordinal under which a standby's position counts; see [`Epochs::ordinal`].
    #[cfg(test)]
    pub(crate) fn ordinal(&self, cluster: u64, source: Upstream) -> Option<u64> {
        self.known().epochs.ordinal(cluster, source)
    }

    /// The ordinal under which a replica's position counts, and that in its epoch; see [`Epochs::ordinal`].
    pub(crate) fn observe(&self, report: &ReplayReport) -> (Option<u64>, Option<u64>) {
        let epochs = &mut self.known().epochs;
        match &report.executed {
            Some(set) => epochs.reached_by(set).unzip(),
            None => (epochs.ordinal(report.cluster, report.source), report.lsn),
        }
    }

    /// What whoever has come so far in the epoch that counts has executed at least, where positions are sets.
    pub(crate) fn executed_at(&self, number: u64) -> Option<GtidSet> {
        self.known().epochs.executed_at(number)
    }

    /// The first position at which all of this is there, with its epoch's ordinal; nothing where the primary has not told all
    /// of it.
    pub(crate) fn place_of(&self, set: &GtidSet) -> Option<(u64, u64)> {
        self.known().epochs.place_of(set)
    }

    /// What a bookmark of this position asks for. How many transactions there are says nothing elsewhere: which they are does, or
    /// what the primary has when the bookmark comes.
    pub(crate) fn mark_of(&self, position: Position) -> Asks {
        if position.epoch.cluster != ClusterId::OF_SETS {
            return Asks::At(position);
        }
        let Some(executed) = self.executed_at(position.lsn.0) else {
            return Asks::Primary { until: 0 };
        };
        let mark = Asks::executed(executed);
        let is_long = matches!(mark, Asks::Primary { .. });
        if is_long && !self.long_mark.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "bookmarks would be longer than 3 KiB, since transactions of so many servers are in gtid_executed: whoever brings \
                 one has the primary asked"
            );
        }
        mark
    }

    /// Whether the primary has given identifiers to transactions that others had before.
    pub(crate) fn is_reused(&self) -> bool {
        self.known().epochs.is_reused()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`WriteClock::question`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    word: u64,
    since: u64,
    ticks: u64,
    asked: u64,
}
