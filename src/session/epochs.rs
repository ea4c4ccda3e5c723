//! The primaryships that this process saw, in their order (rules C2, C10).

use super::Upstream;
use crate::position::{Epoch, Position};

/// The timeline of a cluster that was never promoted.
const FIRST: u32 = 1;

/// By ordinal, counted from 1: readers compare ordinals, which are one word each.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    epoch: Epoch,
    /// The first position that its primary told: what survived of the epochs before lies below it.
    first: u64,
}

impl Epochs {
    /// The ordinal of a primary's epoch, which is new or the greatest so far.
    pub(super) fn admit(&mut self, position: Position) -> Option<u64> {
        let Position { epoch, lsn } = position;
        match self.seen.last() {
            Some(last) if last.epoch == epoch => {}
            Some(last) if epoch > last.epoch => self.add(epoch, lsn.0),
            Some(_) => return None,
            None => self.add(epoch, lsn.0),
        }
        u64::try_from(self.seen.len()).ok()
    }

    fn add(&mut self, epoch: Epoch, first: u64) {
        self.seen.push(Seen { epoch, first });
    }

    fn get(&self, ordinal: u64) -> Option<&Seen> {
        let place = usize::try_from(ordinal).ok()?.checked_sub(1)?;
        self.seen.get(place)
    }

    pub(super) fn epoch(&self, ordinal: u64) -> Option<Epoch> {
        self.get(ordinal).map(|seen| seen.epoch)
    }

    /// Nobody has come as far as the first position of an epoch that was never seen.
    pub(super) fn first_position(&self, ordinal: u64) -> u64 {
        self.get(ordinal).map_or(u64::MAX, |seen| seen.first)
    }

    /// The ordinal under which a standby's position counts: that of its epoch. Where its server does not tell which one it
    /// receives (rule T2), it is the newest one if the server has replayed some of that already, and the first timeline
    /// as long as there never was another.
    pub(super) fn ordinal(&self, cluster: u64, source: Upstream) -> Option<u64> {
        let newest = self.seen.last()?.epoch.timeline;
        let timeline = match source {
            Upstream::Timeline(timeline) => timeline,
            Upstream::Hidden(Some(replayed)) if replayed == newest => newest,
            Upstream::Hidden(_) if newest == FIRST => FIRST,
            Upstream::Hidden(_) | Upstream::Nobody => return None,
        };
        let place = self
            .seen
            .iter()
            .position(|seen| seen.epoch.cluster.0 == cluster && seen.epoch.timeline == timeline);
        place.and_then(|place| u64::try_from(place + 1).ok())
    }
}
