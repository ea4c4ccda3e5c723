//! How far a node has written or replayed, comparable only where a comparison proves something (rules C3, C10).
//!
//! A position belongs to one epoch of one cluster. Across a promotion the same number names other records, so positions
//! of two epochs have no order and no common maximum: they are `None`, never a guess (a token of the old timeline was
//! "passed" by the new primary after fifty inserts, while the row it stood for was gone). What to do about an older
//! epoch is the session's business (C10), not this file's.

mod bookmark;
#[cfg(any(feature = "mysql", test))]
mod gtid;
#[cfg_attr(
    not(feature = "mysql"),
    allow(dead_code, reason = "only MySQL's positions are sets")
)]
mod gtid_set;
mod set_text;
mod text;

use std::cmp::Ordering;
use std::fmt;

pub(crate) use self::bookmark::Asks;
pub use self::bookmark::{Bookmark, ParseBookmarkError};
#[cfg(any(feature = "mysql", test))]
pub(crate) use self::gtid::{Gtid, GtidPlace, last_of_each};
pub(crate) use self::gtid_set::GtidSet;
#[cfg(any(feature = "mysql", test))]
pub(crate) use self::gtid_set::server_of_uuid;
pub(crate) use self::text::NotAPosition;

/// Which cluster: PostgreSQL's system identifier, the same number on a primary and all its standbys; of MariaDB's servers the
/// domain of their log, which other clusters may have as well; of MySQL's, which tell none, always [`ClusterId::OF_SETS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClusterId(pub(crate) u64);

impl ClusterId {
    /// Where positions are sets: no domain has so great a number.
    pub(crate) const OF_SETS: Self = Self(u64::MAX);
}

/// Which primaryship of which cluster: PostgreSQL's timeline. Ordered within one cluster only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch {
    pub(crate) cluster: ClusterId,
    pub(crate) timeline: u32,
}

impl Epoch {
    /// In the place of a timeline where servers have none; PostgreSQL counts from one.
    pub(crate) const WITHOUT_TIMELINE: u32 = 0;
}

impl PartialOrd for Epoch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.cluster == other.cluster).then(|| self.timeline.cmp(&other.timeline))
    }
}

/// A place in PostgreSQL's write-ahead log, as a byte offset; written `16/B374D848`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn(pub(crate) u64);

/// One page of the write-ahead log.
const PAGE: u64 = 8192;
/// What stands at the head of a page, and of the first page of a segment.
const PAGE_HEAD: u64 = 24;
const SEGMENT_HEAD: u64 = 40;

impl Lsn {
    /// The end of the last record, where the server's insert position stands behind the head of a page that holds no
    /// record yet (rule C3). Replay ends before the head until the next record comes, which on an idle primary took
    /// 21 s; so the position as the server tells it would keep a session off every replica for that long. A record
    /// that reaches into a page ends behind its head, so nothing that was written is cut off.
    ///
    /// `segment` is the server's `wal_segment_size` in bytes.
    pub(crate) fn at_end_of_record(self, segment: u64) -> Self {
        if segment > 0 && self.0 % segment == SEGMENT_HEAD {
            Self(self.0 - SEGMENT_HEAD)
        } else if self.0 % PAGE == PAGE_HEAD {
            Self(self.0 - PAGE_HEAD)
        } else {
            self
        }
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// How far something has come, in one epoch.
///
/// A server without such a position has none at all: that is `Option<Position>`, not a value of this type. MariaDB's is the
/// sequence number of its log's one domain, in an epoch without timeline. MySQL's are sets: one of them is here by how many
/// transactions it has, which orders those that one primary told, and says nothing outside of this process (rule C16). Those of
/// several of MariaDB's domains are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    pub(crate) lsn: Lsn,
}

impl Position {
    /// The later of two; nothing where they are of different epochs or clusters.
    #[must_use]
    pub(crate) fn merge(self, other: Self) -> Option<Self> {
        Some(match self.partial_cmp(&other)? {
            Ordering::Less => other,
            Ordering::Equal | Ordering::Greater => self,
        })
    }

    /// Whether whoever has come this far has also come as far as `wanted`. Of another epoch: not proven, so no.
    #[must_use]
    pub(crate) fn covers(self, wanted: Self) -> bool {
        self >= wanted
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.epoch == other.epoch).then(|| self.lsn.cmp(&other.lsn))
    }
}
