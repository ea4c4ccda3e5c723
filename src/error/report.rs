//! The cluster as it stood when a request failed: what an operator wants beside the error, in the log of that request.
//!
//! Made where an error leaves the crate, so that what succeeds pays nothing. It is data of a bounded size, and not the
//! snapshot itself: that one holds pools, which would live for as long as somebody keeps the error.

use std::{fmt, time::Duration};

use super::{causes::SeenNode, text};
use crate::vocabulary::Role;

/// The most nodes that a report tells of.
const MOST_NODES: usize = 16;

/// The longest answer of a node that a report repeats, in characters.
const LONGEST: usize = 200;

/// The cluster at one moment, for the log of a request that failed ([`Error::report`](crate::Error::report)).
///
/// As text it is one line, with the feature `serde` a map. It holds no password, no statement and no value of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// Counts the changes of the topology, as [`Topology::version`](crate::Topology::version).
    pub version: u64,
    /// The greatest primaryship that was seen: PostgreSQL's timeline, where it is observed.
    pub epoch: Option<u64>,
    /// The node that takes the writes; `None` while there is none.
    pub primary: Option<String>,
    /// How long no node has taken writes; `None` where one does.
    pub without_primary: Option<Duration>,
    /// The last change of the primary that this handle saw; `None` where it has seen none.
    pub last_switch: Option<LastSwitch>,
    /// The nodes in the order of their list, at most 16 and the primary in any case.
    pub nodes: Vec<ReportedNode>,
    /// How many nodes more there are.
    pub left_out: usize,
}

/// The last change of the primary, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LastSwitch {
    /// The node that has taken the writes since.
    pub to: String,
    /// How long ago that was.
    pub ago: Duration,
    /// How long there was no primary before; `None` where there was one until then.
    pub without: Option<Duration>,
}

/// One node in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReportedNode {
    /// The node: its name, its role, why it serves no reads, and what it said last.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub seen: SeenNode,
    /// The primaryship that it shows or follows; `None` where it is not known.
    pub epoch: Option<u64>,
    /// How far it is behind at the most, as a replica; `None` where it cannot be told.
    pub lag: Option<Duration>,
    /// Found dead, or under grave suspicion, until its next probe.
    pub in_doubt: bool,
    /// Statements, streams and transactions on it.
    pub in_flight: u64,
}

impl LastSwitch {
    pub(crate) fn new(to: &str, ago: Duration, without: Option<Duration>) -> Self {
        let to = to.to_owned();
        Self { to, ago, without }
    }
}

impl ReportedNode {
    /// A node as it was seen, of which nothing more is known.
    pub(crate) fn new(mut seen: SeenNode) -> Self {
        seen.said = seen.said.map(shortened);
        Self {
            seen,
            epoch: None,
            lag: None,
            in_doubt: false,
            in_flight: 0,
        }
    }
}

impl Report {
    /// With these nodes, or as many of them as it may tell of.
    pub(crate) fn with_nodes(self, nodes: impl Iterator<Item = ReportedNode>) -> Self {
        let mut all: Vec<_> = nodes.collect();
        let left_out = all.len().saturating_sub(MOST_NODES);
        if left_out > 0 {
            let primary = all.iter().position(|node| node.seen.role == Role::Primary);
            if let Some(late) = primary.filter(|at| *at >= MOST_NODES) {
                all.swap(late, MOST_NODES - 1);
            }
            all.truncate(MOST_NODES);
        }
        Self {
            nodes: all,
            left_out,
            ..self
        }
    }
}

/// What a server said may be a page long.
fn shortened(said: String) -> String {
    match said.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

impl fmt::Display for ReportedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seen)?;
        if let Some(lag) = &self.lag {
            write!(f, ", at most {} behind", text::rounded(lag))?;
        }
        if let Some(epoch) = self.epoch {
            write!(f, ", epoch {epoch}")?;
        }
        if self.in_doubt {
            f.write_str(", in doubt")?;
        }
        write!(f, ", {} in flight", self.in_flight)
    }
}

impl fmt::Display for LastSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, ago, without } = self;
        write!(
            f,
            "the last switch was to {to}, {} before",
            text::rounded(ago)
        )?;
        match without {
            Some(without) => write!(f, ", after {} without a primary", text::rounded(without)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.primary, &self.without_primary) {
            (Some(name), _) => write!(f, "{name} takes the writes")?,
            (None, Some(time)) => write!(f, "no primary for {}", text::rounded(time))?,
            (None, None) => f.write_str("no primary")?,
        }
        if let Some(epoch) = self.epoch {
            write!(f, "; epoch {epoch}")?;
        }
        if let Some(switch) = &self.last_switch {
            write!(f, "; {switch}")?;
        }
        for node in &self.nodes {
            write!(f, "; {node}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "; and {more} nodes more"),
        }
    }
}
