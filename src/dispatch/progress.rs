//! How far a statement has come: where it was tried, how often, and what came of it.

use sea_orm::DbErr;

use super::phase::Phase;
use crate::{
    route::Tried,
    signal::Signal,
    snapshot::Snapshot,
    state::{Spares, TextHash},
    vocabulary::{NodeId, Reason},
};

/// How far a statement has come.
pub(super) struct Progress {
    /// Why it goes where it goes now.
    pub(super) reason: Reason,
    /// Shadow mode has noted where it would have gone: once, however often it is decided.
    pub(super) noted: bool,
    /// The newest snapshot that was asked.
    pub(super) version: u64,
    pub(super) tried: Tried,
    pub(super) retries: u8,
    /// How often the statement was sent again because what a connection had prepared was out of date.
    pub(super) renewed: u8,
    /// A replica refused it as a write: it runs once on the primary (rule I6).
    pub(super) refused: Option<Signal>,
    /// The error of the attempt before this one.
    pub(super) last: Option<DbErr>,
    /// The connection that it got leads to a server that lags behind the others of its name.
    pub(super) lags: bool,
    /// The connection that it got leads to a server that is too far behind, and the primary is no way out.
    pub(super) far: bool,
    /// How many of these it got.
    pub(super) far_looks: u8,
    /// A server refused that a follower serves it: it runs as any other read.
    pub(super) followers_refused: bool,
    /// A node was sent it.
    pub(super) sent: bool,
    /// The phase whose time was over while a connection was there and its server silent.
    pub(super) silent: Option<Phase>,
    /// The primary that refused it as one that takes no writes.
    pub(super) to_probe: Option<NodeId>,
    /// What the statement has to do with servers that crashed.
    pub(super) crashes: Crashes,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            reason: Reason::Replica,
            noted: false,
            version: 0,
            tried: Tried::default(),
            retries: 0,
            renewed: 0,
            refused: None,
            last: None,
            lags: false,
            far: false,
            far_looks: 0,
            followers_refused: false,
            sent: false,
            silent: None,
            to_probe: None,
            crashes: Crashes::default(),
        }
    }
}

/// What a read has to do with servers that crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crashes {
    /// The node that crashed while it ran there, and which of its pools that was.
    pub(super) ran_in: Option<(NodeId, u64)>,
    /// The node for whose crash it is kept away from the primary.
    pub(super) spared: Option<NodeId>,
}

impl Crashes {
    /// Which nodes a statement keeps away from; `text`: what it reads.
    pub(super) fn spares(&self, snapshot: &Snapshot, text: Option<&str>) -> Spares {
        let text = match text {
            Some(sql) => snapshot.view.spares(TextHash::of(sql)),
            None => Spares::Nobody,
        };
        match self.spared {
            Some(_) => text.max(Spares::Primary),
            None => text,
        }
    }
}
