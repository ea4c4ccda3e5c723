//! Why a bookmark could not be judged.

use std::{slice::from_ref, time::Duration};

use super::SeenNodes;
use crate::error::text;

/// Why it is not known what a bookmark is worth: a session that began with it needs the primary so long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookmarkProblem {
    /// The bookmark is of another cluster.
    #[error("{}", text::OTHER_CLUSTER)]
    OtherCluster,
    /// The bookmark is of a primaryship that no node shows, and not every node could be asked.
    #[error("{}", text::epoch_not_seen(*.timeline, .waited))]
    EpochNotSeen {
        /// The timeline that the bookmark names.
        timeline: u32,
        /// How long the bookmark was held against the nodes.
        waited: Duration,
    },
    /// The primary is not known to have come as far as the bookmark.
    #[error("{}", text::not_caught_up(from_ref(.node), &text::after(.waited, .limit.as_deref()), false))]
    NotCaughtUp {
        /// The primary.
        node: String,
        /// How long the primary was asked.
        waited: Duration,
        /// The setting that ended the wait, with its value.
        limit: Option<Box<str>>,
    },
    /// There is no primary to ask.
    #[error("no primary to send to{}: {nodes}; {}", text::after(.waited, .limit.as_deref()), text::unsent(false))]
    NoPrimary {
        /// Each node and its state.
        nodes: SeenNodes,
        /// How long a primary was waited for.
        waited: Duration,
        /// The setting that ended the wait, with its value.
        limit: Option<Box<str>>,
    },
}
