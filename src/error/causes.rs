//! What stands behind an [`Error`](crate::Error): the cases of its causes, for code that decides by them and does not read texts.
//!
//! Each is written ([`Display`](std::fmt::Display)) as the part of the error's message that it is.
//!
//! ```
//! use sealane::{Error, RoutedConnection, causes::LocalProblem};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
//! match db.with_local("app.tenant", 7) {
//!     // No setting of one transaction here: the tenant goes into each query instead.
//!     Err(Error::LocalSetting { why: LocalProblem::Backend }) => {}
//!     other => panic!("SQLite has no settings: {other:?}"),
//! }
//! # Ok(())
//! # }
//! ```

mod bookmark;
mod local;
mod nodes;

use std::fmt;

use sea_orm::DbBackend;

use super::text;
use crate::config::scheme_of;

pub use self::bookmark::BookmarkProblem;
pub use self::local::LocalProblem;
pub use self::nodes::{NodeListProblem, SeenNode, SeenNodes};

/// Why a cluster cannot be started, though some of its nodes may answer ([`Error::CannotStart`](crate::Error::CannotStart)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotStart {
    /// The list of nodes is none that can be used.
    #[error(transparent)]
    NodeList(#[from] NodeListProblem),
    /// The list of nodes has no primary.
    #[error("no primary is configured")]
    NoPrimary,
    /// No node could be asked what it is.
    #[error("{}no node could be asked whether it is the primary: {}", text::in_time(.limit.as_deref()), text::parts(.answers))]
    NobodyAnswers {
        /// The setting that ended the wait, where one did, with its value.
        limit: Option<String>,
        /// What each said.
        answers: Vec<NodeAnswer>,
    },
    /// The list leaves open which node is the primary, and none says that it is.
    #[error(
        "{}none of the nodes says that it is the primary: start or promote one, or set SEALANE_START_WITHOUT_PRIMARY=true \
         to serve reads without it{}",
        text::in_time(.limit.as_deref()), text::further(.answers)
    )]
    NobodyClaims {
        /// The setting that ended the wait, where one did, with its value.
        limit: Option<String>,
        /// What those said that could not be asked.
        answers: Vec<NodeAnswer>,
    },
    /// Several nodes say that they are it, of different timelines, and nobody knows which one counts.
    #[error("{0}; or set SEALANE_START_WITHOUT_PRIMARY=true to serve reads meanwhile")]
    Undecided(UndecidedPrimary),
}

/// What a node said instead of telling what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeAnswer {
    /// The node's name.
    pub node: String,
    /// The node's answer, and what to look at.
    pub answer: String,
}

impl NodeAnswer {
    pub(crate) fn new(node: &str, answer: String) -> Self {
        let node = node.to_owned();
        Self { node, answer }
    }
}

impl fmt::Display for NodeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.node, self.answer)
    }
}

/// Two nodes that take writes on different timelines, of which nobody can tell which one is right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UndecidedPrimary {
    /// The node that takes writes on the smaller timeline.
    pub older: String,
    /// The smaller timeline.
    pub older_timeline: u64,
    /// The node that shows the greater timeline.
    pub newer: String,
    /// The greater timeline.
    pub newer_timeline: u64,
    /// The node of the greater timeline is a standby: whom it follows is no node of the list, or does not answer.
    pub follows: bool,
    /// The role may not see whether the second one is set up to replicate: that it was promoted is a guess.
    pub guessed: bool,
}

impl fmt::Display for UndecidedPrimary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            older,
            older_timeline,
            newer,
            newer_timeline,
            follows,
            guessed,
        } = self;
        if *guessed {
            return write!(
                f,
                "`{older}` takes writes and so does `{newer}`, and this user may not see which of them is set up to replicate \
                 from another server: GRANT REPLICA MONITOR to it on all nodes, or stop the wrong one or take it out of the nodes"
            );
        }
        match follows {
            true => write!(
                f,
                "`{older}` takes writes on timeline {older_timeline}, but `{newer}` follows a primary of timeline \
                 {newer_timeline} that is no node of this cluster or does not answer: add that primary to the nodes or \
                 start it, or take the node that is wrong out of them"
            ),
            false => write!(
                f,
                "`{older}` takes writes on timeline {older_timeline} and `{newer}` on timeline {newer_timeline}, and \
                 nobody confirms which one is right (SEALANE_FAILOVER=confirmed): stop the wrong one or take it out of \
                 the nodes, let a replica follow the right one, name it by an authority (Patroni), or set \
                 SEALANE_FAILOVER=auto to take the greater timeline"
            ),
        }
    }
}

/// Why the topology stays as it is ([`Error::Topology`](crate::Error::Topology)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyProblem {
    /// The list of nodes is none that can be used.
    #[error(transparent)]
    NodeList(#[from] NodeListProblem),
    /// The new nodes are of another database system.
    #[error("the new nodes are {}, and this cluster is {}: give nodes of the same database system", scheme_of(*.its), scheme_of(*.ours))]
    OtherBackend {
        /// What the new nodes are.
        its: DbBackend,
        /// What the cluster's nodes are.
        ours: DbBackend,
    },
    /// The connections that were given are of several database systems.
    #[error(
        "these connections lead to several database systems, and a cluster has one: give connections of one kind"
    )]
    SeveralBackends,
    /// The primary cannot be drained.
    #[error("`{node}` is the primary, which cannot be drained")]
    IsThePrimary {
        /// The node's name.
        node: String,
    },
    /// No node has this name.
    #[error("no node is called `{node}`; there are: {nodes}")]
    NoSuchNode {
        /// The name that was asked for.
        node: String,
        /// The nodes that there are.
        nodes: SeenNodes,
    },
    /// The node was to be taken for the primary, and it does not say that it is one.
    #[error("`{node}` does not say that it is a primary: {nodes}")]
    NotAPrimary {
        /// The node's name.
        node: String,
        /// The nodes that there are.
        nodes: SeenNodes,
    },
    /// Nobody looks after this cluster any more.
    #[error("this cluster was closed, or the runtime in which it was connected is gone")]
    Closed,
}

/// What stands in the way of a pause of the writes ([`Error::StillWriting`](crate::Error::StillWriting)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnderWay {
    /// Somebody else pauses them.
    #[error("the writes of this process are paused already")]
    Paused,
    /// Something that was taken from `concrete()` may be writing.
    #[error("a connection of concrete() is in use")]
    Concrete,
    /// Writes, and transactions that may write.
    #[error("{count} writes or transactions are under way")]
    Writes {
        /// How many.
        count: u64,
    },
}

/// Why nobody could tell in time where something written stands ([`Error::PositionUntold`](crate::Error::PositionUntold)).
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum PositionDelay {
    /// The primary has not told it.
    #[error("`{node}` has not told it")]
    PrimarySilent {
        /// The primary.
        node: String,
    },
    /// There is no primary to ask.
    #[error("no primary is known: {nodes}")]
    NoPrimary {
        /// Each node and its state.
        nodes: SeenNodes,
    },
    /// The session began with a bookmark, and nobody could tell what that is worth.
    #[error(transparent)]
    Bookmark(BookmarkProblem),
}
