//! Why a statement would not be sent, for those who ask before they send it.

use std::fmt;

use super::Refusal;
use crate::{
    error::{Error, causes::SeenNodes},
    vocabulary::Reason,
};

/// Why a statement would not be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "why", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum NotSent {
    /// The handle was never connected.
    Disconnected,
    /// No node can take it: it would wait for one, up to the time-out of its kind.
    Waits {
        /// Each node and its state.
        nodes: SeenNodes,
    },
    /// A `replica()` handle was given something that is not proven to be a read.
    NotARead {
        /// Why it was judged so.
        reason: Reason,
    },
    /// A `replica()` handle, and no replica is eligible.
    NoReplica,
    /// As many statements wait for a node already as may.
    TooManyWaiting {
        /// How many may wait.
        limit: u32,
    },
    /// The statement needs the primary, and one of this text was the first to break when another server crashed.
    KeptBack,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Disconnected => Error::Disconnected.fmt(f),
            Self::Waits { ref nodes } => write!(f, "it would wait: {nodes}"),
            Self::NotARead { reason } => Refusal::NotARead { reason }.fmt(f),
            Self::NoReplica => Refusal::NoReplica.fmt(f),
            Self::TooManyWaiting { limit } => Refusal::TooManyWaiting { limit }.fmt(f),
            Self::KeptBack => Refusal::KeptBack.fmt(f),
        }
    }
}

impl std::error::Error for NotSent {}

impl From<Refusal> for NotSent {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotARead { reason } => Self::NotARead { reason },
            Refusal::NoReplica => Self::NoReplica,
            Refusal::TooManyWaiting { limit } => Self::TooManyWaiting { limit },
            Refusal::KeptBack => Self::KeptBack,
        }
    }
}
