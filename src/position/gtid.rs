//! MariaDB's place in its binary log: the global transaction identifier of one domain (rule C15).
//!
//! Within a domain the sequence number is a total order for as long as one server writes at a time: a promoted replica goes on
//! counting where it stands. Which server wrote the transaction tells one history from another of the same numbers. Positions
//! of several domains have no such order: they are none here, and nothing is guessed from one of them.

use std::fmt;
use std::str::FromStr;

use super::{ClusterId, Epoch, Lsn, Position};

/// `0-1-13`: the domain, the server that wrote it, and how many transactions the domain has up to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gtid {
    pub(crate) domain: u32,
    pub(crate) server: u32,
    pub(crate) sequence: u64,
}

/// What a server says of its place in the log, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GtidPlace {
    /// Nothing was written, or replicated, yet.
    Empty,
    One(Gtid),
    /// Of several domains, or nothing that can be read.
    Several,
}

impl GtidPlace {
    /// Reads what a variable like `gtid_binlog_pos` holds.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Empty;
        }
        text.parse().map_or(Self::Several, Self::One)
    }
}

/// The last number of each server in its log, in the words of a variable like `gtid_binlog_state`; nothing where these are of
/// several domains.
pub(crate) fn last_of_each(texts: &[&str]) -> Option<Vec<Gtid>> {
    let all = texts.iter().flat_map(|text| text.split(','));
    let mut last: Vec<Gtid> = Vec::new();
    for text in all.map(str::trim).filter(|text| !text.is_empty()) {
        let gtid: Gtid = text.parse().ok()?;
        if last
            .first()
            .is_some_and(|first| first.domain != gtid.domain)
        {
            return None;
        }
        match last.iter_mut().find(|known| known.server == gtid.server) {
            Some(known) => known.sequence = known.sequence.max(gtid.sequence),
            None => last.push(gtid),
        }
    }
    Some(last)
}

impl Gtid {
    /// Whether this transaction comes after all that is there, in one order.
    pub(crate) fn is_beyond(self, place: GtidPlace) -> bool {
        match place {
            GtidPlace::Empty => true,
            GtidPlace::One(other) => other.domain == self.domain && other.sequence < self.sequence,
            GtidPlace::Several => false,
        }
    }

    /// The place itself. All domains of one number are one cluster as far as anybody can tell, and there are no timelines.
    pub(crate) fn position(self) -> Position {
        Position {
            epoch: Epoch {
                cluster: ClusterId(u64::from(self.domain)),
                timeline: Epoch::WITHOUT_TIMELINE,
            },
            lsn: Lsn(self.sequence),
        }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

/// The text is not one identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAGtid;

impl FromStr for Gtid {
    type Err = NotAGtid;

    fn from_str(text: &str) -> Result<Self, NotAGtid> {
        let mut parts = text.split('-');
        let mut next = || {
            let part = parts.next().ok_or(NotAGtid)?;
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then_some(part).ok_or(NotAGtid)
        };
        let (domain, server, sequence) = (next()?, next()?, next()?);
        let gtid = Self {
            domain: domain.parse().map_err(|_| NotAGtid)?,
            server: server.parse().map_err(|_| NotAGtid)?,
            sequence: sequence.parse().map_err(|_| NotAGtid)?,
        };
        match parts.next() {
            None => Ok(gtid),
            Some(_) => Err(NotAGtid),
        }
    }
}
