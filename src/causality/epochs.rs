//! The primaryships that this process saw, in their order (rules C2, C10).
//!
//! Their order is that in which they were seen, not that of their timelines: after a restore an earlier timeline counts
//! again, or the same one from an earlier position. Each is a primaryship of its own here, with an ordinal of its own,
//! and ordinals never go back: sessions and replicas hold them, and what is held under an earlier one is over.

use std::sync::Arc;

use super::{
    Upstream,
    executed::{Executed, ExecutedHistory, Taken},
};
use crate::position::{Epoch, GtidSet, Position};

/// How far a primary says that it has come.
#[derive(Clone, Debug)]
pub(crate) struct PrimaryPlace {
    pub(crate) position: Position,
    /// The server that wrote what is there, where no timeline tells one history from another (rule C15).
    pub(crate) writer: Option<u32>,
    /// What is there, where the position is a set (rule C16).
    pub(crate) executed: Option<Arc<Executed>>,
    /// Which server said it, from one start to the next.
    pub(crate) started: u64,
}

/// The timeline of a cluster that was never promoted.
const FIRST: u32 = 1;

/// By ordinal, counted from 1: readers compare ordinals, which are one word each.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    seen: Vec<SeenEpoch>,
    /// What the primaryship that counts has told, where positions are sets.
    executed: ExecutedHistory,
}

#[derive(Debug)]
struct SeenEpoch {
    epoch: Epoch,
    /// The first position that its primary told: what survived of the epochs before lies below it. Nothing while an
    /// authority has named the epoch and its primary was not asked yet.
    first: Option<u64>,
    /// The greatest that it told, and when the server was started that did last.
    greatest: u64,
    /// See [`PrimaryPlace::writer`].
    writer: Option<u32>,
    started: u64,
    /// The greatest that a replica has told of it.
    replayed: u64,
    /// How far this writer had come in histories that are over: up to there its numbers may be of one of those.
    above: u64,
}

impl SeenEpoch {
    /// Whether this is the same history, further on. By numbers alone what one server wrote that was lost cannot be told from
    /// what another one wrote in its place, so another writer begins another history.
    fn goes_on(&self, place: &PrimaryPlace, taken: Option<Taken>) -> bool {
        if let Some(taken) = taken {
            return taken == Taken::GoesOn;
        }
        let ahead = self.greatest <= place.position.lsn.0;
        match place.writer {
            None => ahead || self.started == place.started,
            writer => ahead && self.writer == writer,
        }
    }
}

impl Epochs {
    /// The ordinal of what a primary says whose server was started then: of an epoch that is new or the last one.
    ///
    /// A server never goes back while it runs. One that was started again and is behind what it had told has lost
    /// the rest, by a crash or because its disk was restored; what it writes from there on is another history under the
    /// same timeline, and no position of the old one proves anything for it.
    pub(super) fn admit(&mut self, place: &PrimaryPlace) -> Option<u64> {
        let &PrimaryPlace {
            position: Position { epoch, lsn },
            writer,
            started,
            ..
        } = place;
        let executed = place.executed.as_ref();
        let taken = executed.map(|told| self.executed.take(told, started));
        if taken == Some(Taken::Reused) {
            return None;
        }
        let told = SeenEpoch {
            epoch,
            first: Some(lsn.0),
            greatest: lsn.0,
            writer,
            started,
            replayed: 0,
            above: self.taken(place),
        };
        match self.seen.last_mut() {
            Some(last) if last.epoch == epoch && last.first.is_none() => *last = told,
            Some(last) if last.epoch == epoch && last.goes_on(place, taken) => {
                last.greatest = last.greatest.max(lsn.0);
                last.started = started;
            }
            Some(last) if epoch < last.epoch || epoch.cluster != last.epoch.cluster => return None,
            _ => self.seen.push(told),
        }
        self.last()
    }

    /// An authority says that this epoch counts from now on, whatever was seen: its ordinal.
    pub(super) fn expect(&mut self, epoch: Epoch) -> Option<u64> {
        self.executed.end();
        self.seen.push(SeenEpoch {
            epoch,
            first: None,
            greatest: 0,
            writer: None,
            started: 0,
            replayed: 0,
            above: 0,
        });
        self.last()
    }

    /// The greatest number of this writer that is known of any history, where it takes the place of a timeline: an emptied log
    /// counts from one again.
    fn taken(&self, place: &PrimaryPlace) -> u64 {
        let same = |seen: &&SeenEpoch| {
            place.writer.is_some()
                && (seen.epoch, seen.writer) == (place.position.epoch, place.writer)
        };
        let all = self.seen.iter().filter(same);
        let all = all.map(|seen| seen.greatest.max(seen.replayed).max(seen.above));
        all.max().unwrap_or(0)
    }

    /// The primary is asked now how far it has come.
    pub(super) fn ask(&mut self) {
        self.executed.ask();
    }

    /// How far a replica has come that has executed this, and of which primaryship that is.
    pub(super) fn reached_by(&mut self, set: &GtidSet) -> Option<(u64, u64)> {
        let reached = self.executed.reached_by(set)?;
        Some((self.last()?, reached))
    }

    /// What whoever has come so far in the primaryship that counts has executed at least, where positions are sets.
    pub(super) fn executed_at(&self, number: u64) -> Option<GtidSet> {
        self.executed.at(number)
    }

    /// The ordinal and the first position at which all of this is there; nothing where the primary has not told all of it.
    pub(super) fn place_of(&self, set: &GtidSet) -> Option<(u64, u64)> {
        let number = self.executed.number_of(set)?;
        Some((self.last()?, number))
    }

    /// Whether sets prove nothing any more.
    pub(super) fn is_reused(&self) -> bool {
        self.executed.is_reused()
    }

    /// The last one's ordinal.
    fn last(&self) -> Option<u64> {
        u64::try_from(self.seen.len()).ok()
    }

    fn get(&self, ordinal: u64) -> Option<&SeenEpoch> {
        let index = usize::try_from(ordinal).ok()?.checked_sub(1)?;
        self.seen.get(index)
    }

    pub(super) fn epoch(&self, ordinal: u64) -> Option<Epoch> {
        self.get(ordinal).map(|seen| seen.epoch)
    }

    /// The epoch that counts.
    pub(super) fn current(&self) -> Option<Epoch> {
        self.seen.last().map(|seen| seen.epoch)
    }

    /// Whether this one counted once, and does no more.
    pub(super) fn is_over(&self, epoch: Epoch) -> bool {
        self.current() != Some(epoch) && self.seen.iter().any(|seen| seen.epoch == epoch)
    }

    /// Where the epoch began, once that is known.
    pub(super) fn first_position(&self, ordinal: u64) -> Option<u64> {
        self.get(ordinal)?.first
    }

    /// The ordinal under which a standby's position counts: the last of its epoch. Where its server does not tell which one
    /// it receives (rule T2), it is the newest one if the server has replayed some of that already, and the first
    /// timeline as long as there never was another. After a restore that would take a standby of the lost history for
    /// one of the new, under the same number. One that receives from nobody may have followed a primary that is gone as
    /// well, on a timeline that nobody here has seen: it has to say that it knows of none.
    pub(super) fn ordinal(&mut self, cluster: u64, source: Upstream) -> Option<u64> {
        let newest = self.seen.last()?.epoch.timeline;
        let timeline = match source {
            Upstream::Writer { server, sequence } => {
                if !self.is_written_now(cluster, server, sequence) {
                    return None;
                }
                let last = self.seen.last_mut()?;
                last.replayed = last.replayed.max(sequence);
                return self.last();
            }
            Upstream::Timeline(timeline) => timeline,
            Upstream::Hidden(replayed)
                if self.never_promoted() && replayed.is_none_or(|replayed| replayed == FIRST) =>
            {
                FIRST
            }
            Upstream::Hidden(Some(replayed)) | Upstream::Nobody(Some(replayed))
                if replayed == newest && self.never_went_back() =>
            {
                newest
            }
            Upstream::Hidden(_)
            | Upstream::Nobody(_)
            | Upstream::NobodyAhead
            | Upstream::Executed
            | Upstream::Untold => return None,
        };
        let index = self
            .seen
            .iter()
            .rposition(|seen| seen.epoch.cluster.0 == cluster && seen.epoch.timeline == timeline);
        index.and_then(|index| u64::try_from(index + 1).ok())
    }

    /// Whether a transaction is surely of the history that counts. What lies below its beginning may be of another one, and so
    /// may what the same writer's numbers had come to before; every other writer's is until the primary shows it.
    fn is_written_now(&self, cluster: u64, writer: u32, sequence: u64) -> bool {
        self.seen.last().is_some_and(|last| {
            last.epoch.cluster.0 == cluster
                && last.writer == Some(writer)
                && last
                    .first
                    .is_some_and(|first| sequence >= first && sequence > last.above)
        })
    }

    fn never_promoted(&self) -> bool {
        let first = |seen: &SeenEpoch| seen.epoch.timeline == FIRST;
        !self.seen.is_empty() && self.seen.iter().all(first)
    }

    fn never_went_back(&self) -> bool {
        self.seen
            .windows(2)
            .all(|pair| pair[0].epoch.timeline < pair[1].epoch.timeline)
    }
}
