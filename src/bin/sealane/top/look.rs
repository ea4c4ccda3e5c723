//! What is known of a cluster at one moment, wherever that was learnt.

use std::{collections::BTreeMap, time::Instant};

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
    /// What is looked at, for people.
    pub(super) of: String,
    pub(super) epoch: Option<u64>,
    pub(super) asleep: bool,
    pub(super) nodes: Vec<NodeLook>,
    /// How many statements were sent so far, by the reason of their way; nothing where nobody counts them.
    pub(super) reasons: BTreeMap<String, u64>,
    /// What happened since the last look, where that is told and need not be guessed.
    pub(super) told: Option<Vec<String>>,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeLook {
    pub(super) name: String,
    pub(super) role: String,
    /// The server answers.
    pub(super) answers: bool,
    /// Why it serves no balanced reads; nothing where it does, and of the primary.
    pub(super) ineligible: Option<String>,
    pub(super) lag: Option<f64>,
    /// Statements so far, where somebody counts them.
    pub(super) statements: Option<Statements>,
    pub(super) in_flight: Option<u64>,
    pub(super) connections: Option<u64>,
}

/// Counted by what they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statements {
    pub(super) reads: u64,
    pub(super) others: u64,
}

impl NodeLook {
    /// One word for how it is, or the reason.
    pub(super) fn state(&self) -> &str {
        match (&self.ineligible, self.answers) {
            (_, false) => "silent",
            (Some(reason), true) => reason,
            (None, true) => "ok",
        }
    }
}
