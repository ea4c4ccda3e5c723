//! How deep an idle cluster sleeps (T17), and what waits until it is awake.

use std::collections::VecDeque;

use crate::{
    cluster::{idle::IdleWatch, inbox::Message, shared::Shared},
    config::Discovery,
    state::Moment,
};
use sea_orm::DbBackend;

/// How deep the cluster sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Depth {
    #[default]
    Awake,
    /// Nothing is wanted, and the probes that run are waited for.
    Drowsy,
    Asleep,
    /// Every node is being asked what it is.
    Waking,
}

/// Whether the cluster sleeps, and what waits for it to be awake.
#[derive(Default)]
pub(super) struct Sleep {
    /// Nothing where it never does.
    pub(super) idle: Option<IdleWatch>,
    pub(super) depth: Depth,
    pub(super) held: VecDeque<Message>,
    /// The primary was asked for its position, so that the sleep need not wait for that.
    pub(super) has_asked: bool,
}

impl Sleep {
    /// Only pools that are ours can be closed and opened again; a list that is discovered would have to be asked for
    /// before its nodes are, and a database in memory is gone with its last connection.
    pub(super) fn new(shared: &Shared) -> Self {
        let config = &shared.config;
        let can = config.discovery == Discovery::Static && shared.backend != DbBackend::Sqlite;
        let watch = |after| IdleWatch::new(after, shared.now());
        Self {
            idle: config.idle_after.filter(|_| can).map(watch),
            ..Self::default()
        }
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.idle.as_ref().map(IdleWatch::next_look)
    }

    /// Whether no probe is to begin.
    pub(super) fn holds_probes(&self) -> bool {
        self.depth != Depth::Awake
    }

    /// What was held back, one after the other, once the cluster is awake.
    pub(super) fn next_held(&mut self) -> Option<Message> {
        match self.depth {
            Depth::Awake | Depth::Drowsy => self.held.pop_front(),
            Depth::Asleep | Depth::Waking => None,
        }
    }
}
