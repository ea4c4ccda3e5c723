//! The write clock: what this process wrote to one cluster, and up to where that is known to lie (rules C1, C2).
//!
//! A write that returns ticks the clock. A capture asks the primary for its position afterwards, on a connection of its
//! own, and covers every tick that was there when it was sent: so one capture serves any number of writes, and the
//! write path has no round trip more. Until a tick is covered, reads that need it go to the primary. Asking for the
//! position inside the write's own statement was rejected: it is taken before the commit record and comes out too low.
//!
//! Readers compare atomics only. A position and the epoch it belongs to are two of them; the epoch is stored first and
//! read twice, so that a position of one is never held against an epoch of the other.

mod registry;
mod word;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use self::registry::Peers;
pub(crate) use self::{
    registry::Whose,
    word::{Named, Word},
};
use super::{
    Session, Upstream, epochs::Epochs, gate::Gate, pin::nanos, requirement::ReadRequirement,
    tasks::Tasks, unseen::HandedOut,
};
use crate::{
    metrics::Histogram,
    position::{Epoch, Lsn, Position},
};

/// How many captures are remembered. A session asks for the first that covers its write, usually the last or the one
/// before; whoever comes later than this is given a later one, which is as safe.
const REMEMBERED: usize = 64;

/// A position that nobody has come to.
pub(super) const NOBODY: u64 = u64::MAX;

/// The clock of one cluster, shared by every handle to it in this process.
#[derive(Debug)]
pub(crate) struct Clock {
    /// How many writes have returned.
    ticks: AtomicU64,
    /// How many returned writes the last capture covers; stored after its position.
    covered: AtomicU64,
    /// The position of the last capture, in the epoch below.
    lsn: AtomicU64,
    /// The ordinal of the last capture's epoch; 0 before the first.
    epoch: AtomicU64,
    known: Mutex<Known>,
    /// What an authority said last of which epoch counts; written under the lock of the above.
    said: watch::Sender<Word>,
    /// Everything that this process writes and sees (rule C8).
    pub(crate) process: Arc<Session>,
    /// What each task writes and sees, where that is the scope.
    pub(crate) tasks: Tasks,
    /// When a connection of `concrete()` last came back, or was out while somebody read.
    concrete: AtomicU64,
    pub(super) handed_out: HandedOut,
    /// How many had returned when the last question was put.
    questioned: AtomicU64,
    /// When the oldest write returned that is not covered, in nanoseconds of [`pin::nanos`]; 0 when there is none.
    uncovered_since: AtomicU64,
    covering: Histogram,
    /// Positions of sessions that were exchanged because their epoch was over.
    lost: AtomicU64,
    /// A capture is wanted.
    pub(crate) wanted: Notify,
    /// A capture is wanted for another reason than a write, so that also a handle without replicas sees to it.
    pub(crate) wished: Notify,
    /// Somebody reads: without that, nobody needs to know where writes lie.
    read: AtomicBool,
    /// Captures wanted for another reason than a write, and how many of those wishes were met.
    asked: AtomicU64,
    answered: AtomicU64,
    /// Somebody captures: at most one in flight for a cluster, whatever the number of its handles.
    pub(crate) capturing: AtomicBool,
    /// Somebody else wanted to meanwhile.
    pub(crate) turned_away: AtomicBool,
    /// The primary or a replica said how far it has come.
    pub(crate) news: Notify,
    /// What writes go through.
    pub(crate) gate: Arc<Gate>,
    peers: Peers,
}

#[derive(Debug, Default)]
struct Known {
    epochs: Epochs,
    captures: VecDeque<Captured>,
}

/// One capture.
#[derive(Clone, Copy, Debug)]
struct Captured {
    covered: u64,
    epoch: u64,
    lsn: u64,
    at: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            ticks: AtomicU64::new(0),
            covered: AtomicU64::new(0),
            lsn: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            known: Mutex::default(),
            said: watch::Sender::default(),
            process: Arc::new(Session::of_process()),
            tasks: Tasks::default(),
            concrete: AtomicU64::new(0),
            handed_out: HandedOut::default(),
            questioned: AtomicU64::new(0),
            uncovered_since: AtomicU64::new(0),
            covering: Histogram::default(),
            lost: AtomicU64::new(0),
            wanted: Notify::new(),
            wished: Notify::new(),
            read: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            capturing: AtomicBool::new(false),
            turned_away: AtomicBool::new(false),
            news: Notify::new(),
            gate: Arc::default(),
            peers: Peers::default(),
        }
    }
}

impl Clock {
    /// What a read needs that has to see so many of the writes that returned: the last capture, if it covers them.
    #[inline]
    pub(super) fn need_of(&self, ticks: u64) -> ReadRequirement {
        if ticks == 0 {
            return ReadRequirement::Nothing;
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        if self.covered.load(Ordering::Acquire) < ticks {
            return ReadRequirement::Primary;
        }
        let lsn = self.lsn.load(Ordering::Acquire);
        if self.epoch.load(Ordering::Acquire) != epoch {
            return ReadRequirement::Primary;
        }
        ReadRequirement::Position { epoch, lsn }
    }

    /// What such a read needs by the first capture that covers the writes, as far back as captures are remembered.
    pub(super) fn first_need_of(&self, ticks: u64) -> ReadRequirement {
        if ticks == 0 || self.covered.load(Ordering::Acquire) < ticks {
            return self.need_of(ticks);
        }
        let known = self.known();
        match known.captures.iter().find(|one| one.covered >= ticks) {
            Some(&Captured { epoch, lsn, .. }) => ReadRequirement::Position { epoch, lsn },
            None => ReadRequirement::Primary,
        }
    }

    /// A write returned, or something else that may have written ended: its number.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst) + 1;
        if self.uncovered_since.load(Ordering::Relaxed) == 0 {
            self.uncovered_since
                .store(nanos(Instant::now()), Ordering::Relaxed);
        }
        // In one order with what a reader says: one of the two wakes whoever captures.
        if self.read.load(Ordering::SeqCst) {
            self.wanted.notify_one();
        }
        tick
    }

    /// How many writes have returned: what a capture that is sent from now on covers.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// A connection of `concrete()` came back: whatever was done with it returned with this.
    pub(crate) fn concrete_returned(&self) {
        let note = |clock: &Self| {
            clock.concrete.fetch_max(clock.tick(), Ordering::AcqRel);
        };
        note(self);
        self.each_peer(note);
    }

    /// A connection of `concrete()` is out while somebody reads: what was committed on it by now counts as returned, and
    /// is covered by whatever capture is sent from now on. One serves all who come before it is.
    pub(crate) fn concrete_is_out(&self) {
        let ticks = self.ticks.load(Ordering::SeqCst);
        // The question is noted before it is sent.
        let tick = match self.questioned.load(Ordering::SeqCst) < ticks {
            true => ticks,
            false => self.tick(),
        };
        self.concrete.fetch_max(tick, Ordering::AcqRel);
    }

    pub(super) fn concrete_tick(&self) -> u64 {
        self.concrete.load(Ordering::Acquire)
    }

    /// A read looks what it needs.
    #[inline]
    pub(crate) fn reads(&self) {
        if !self.read.load(Ordering::Relaxed) {
            self.read.store(true, Ordering::SeqCst);
            self.wanted.notify_one();
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
        self.wished.notify_one();
        asked
    }

    /// Whether a capture was sent after that.
    pub(crate) fn is_answered(&self, asked: u64) -> bool {
        self.answered.load(Ordering::Acquire) >= asked
    }

    /// Whether some write is not covered yet.
    pub(crate) fn wants_capture(&self) -> bool {
        self.covered.load(Ordering::Acquire) < self.ticks.load(Ordering::SeqCst)
    }

    /// Whether somebody asked who was not answered yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.answered.load(Ordering::Acquire) < self.asked.load(Ordering::Acquire)
    }

    /// What a capture that is sent now will answer. `word`: the last word of an authority that its handle heard.
    pub(crate) fn question(&self, word: u64) -> Question {
        let question = Question {
            word,
            // Before the ticks are read: what comes in between counts for the next one.
            since: self.uncovered_since.swap(0, Ordering::Relaxed),
            ticks: self.ticks(),
            asked: self.asked.load(Ordering::Acquire),
        };
        self.questioned.fetch_max(question.ticks, Ordering::SeqCst);
        question
    }

    /// The primary's position, told in this life of its server, from a capture that was sent after that question was
    /// taken down. Refused is an epoch below the greatest seen, or another cluster: what a stale primary says covers
    /// nothing (rule C2). So is whatever was asked before an authority said which epoch counts, or by a handle that has
    /// not heard it: the primary that it leads to may be the one that is over, and its epoch the greater one.
    ///
    /// Only the one that captures calls this.
    pub(crate) fn cover(&self, question: Question, position: Position, life: u64) -> bool {
        let (ticks, lsn) = (question.ticks, position.lsn.0);
        let mut known = self.known();
        if question.word != self.word() {
            return false;
        }
        let Some(epoch) = known.epochs.admit(position, life) else {
            return false;
        };
        let unknown = self.lsn.load(Ordering::Acquire) == NOBODY;
        if unknown || epoch != self.epoch.load(Ordering::Acquire) {
            // Nobody has come so far, until the position is there.
            self.lsn.store(NOBODY, Ordering::Release);
            self.epoch.store(epoch, Ordering::Release);
            self.lsn.store(lsn, Ordering::Release);
        } else {
            self.lsn.fetch_max(lsn, Ordering::AcqRel);
        }
        if known.captures.len() == REMEMBERED {
            known.captures.pop_front();
        }
        known.captures.push_back(Captured {
            covered: ticks,
            epoch,
            lsn,
            at: Instant::now(),
        });
        drop(known);
        self.covered.fetch_max(ticks, Ordering::AcqRel);
        self.answered.fetch_max(question.asked, Ordering::AcqRel);
        if question.since != 0 {
            let waited = nanos(Instant::now()).saturating_sub(question.since);
            self.covering.record(Duration::from_nanos(waited));
        }
        self.news.notify_waiters();
        true
    }

    /// How long writes waited for the capture that covers them: the oldest of each capture.
    pub(crate) fn covering(&self) -> &Histogram {
        &self.covering
    }

    /// How many writes are open although their callers are gone.
    pub(crate) fn open_writes(&self) -> u64 {
        self.process.hold.count()
    }

    /// The captures whose positions lie in there, each with the time of its answer.
    pub(crate) fn captured(&self, epoch: u64, above: u64, up_to: u64) -> Vec<Instant> {
        let known = self.known();
        let captures = known.captures.iter();
        captures
            .filter(|one| one.epoch == epoch && one.lsn > above && one.lsn <= up_to)
            .map(|one| one.at)
            .collect()
    }

    /// The ordinal of the current epoch; 0 before the first capture.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The primary's epoch and position, as far as they are known.
    pub(crate) fn greatest(&self) -> Option<Position> {
        let known = self.known();
        let lsn = self.lsn.load(Ordering::Acquire);
        Some(Position {
            epoch: known.epochs.epoch(self.epoch())?,
            lsn: Lsn(Some(lsn).filter(|lsn| *lsn != NOBODY)?),
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

    pub(super) fn position_lost(&self) {
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
    pub(crate) fn ordinal(&self, cluster: u64, source: Upstream) -> Option<u64> {
        self.known().epochs.ordinal(cluster, source)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Clock::question`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    word: u64,
    since: u64,
    ticks: u64,
    asked: u64,
}
