//! A read under which a server broke off: whether that crashed, and where the read must not go then (rule R5).

use std::time::Instant;

use sea_orm::DbBackend;

use super::{Attempt, phase::Phase};
use crate::{
    cluster::shared::Shared,
    error::Error,
    node::Lease,
    route::retry::Crash,
    snapshot::Snapshot,
    state::{Fate, Ran, Spares, TextHash},
    vocabulary::{Intent, NodeId, Stage},
};

/// What a read has to do with servers that crashed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crashes {
    /// The node that crashed while it ran there, and which of its pools that was.
    ran_in: Option<(NodeId, u64)>,
    /// The node for whose crash it is kept away from the primary.
    pub(super) spared: Option<NodeId>,
}

impl Shared {
    /// What became of the server under this lease, whose connection broke without a word. It waits for a check that began
    /// after that, as long as a check may take: a server that is gone refuses at once. Open where nobody could tell by then.
    pub(crate) async fn fate(&self, lease: &Lease) -> Fate {
        let node = lease.node();
        // Nobody asks what the application connected, and other servers say nothing while they recover.
        if self.backend != DbBackend::Postgres || node.direct.is_none() || self.warn_if_orphaned() {
            return Fate::Other;
        }
        let mut changed = self.snapshot.subscribe();
        let told = async {
            loop {
                changed.borrow_and_update();
                let fate = self.snapshot.load().view.fate(node.id, node.generation);
                if fate != Fate::Open || self.is_closed() || changed.changed().await.is_err() {
                    return fate;
                }
            }
        };
        let told = tokio::time::timeout(self.config.check_timeout, told).await;
        told.unwrap_or(Fate::Open)
    }
}

impl Attempt<'_> {
    /// What of the caller's was running when it failed.
    pub(crate) fn ran(&self, stage: Stage) -> Ran {
        match (stage, self.sql) {
            (Stage::Route | Stage::Acquire, _) | (_, None) => Ran::Nothing,
            (_, Some(sql)) if self.reads() => Ran::Read(TextHash::of(sql)),
            _ => Ran::Other,
        }
    }

    fn reads(&self) -> bool {
        self.ask.intent() == Intent::Read && self.refused.is_none()
    }

    /// What the statement has to do with the crash of its server, if there was one.
    pub(super) async fn crash(&mut self, lease: &Lease, ran: Ran) -> Crash {
        let begun = Instant::now();
        self.started.get_or_insert(begun);
        let fate = self.shared.fate(lease).await;
        self.spend(Phase::Route, begun);
        let node = lease.node();
        let crash = Crash::of(fate, ran, self.crashes.ran_in.is_some());
        if crash != Crash::No {
            self.crashes.ran_in = Some((node.id, node.generation));
        }
        crash
    }

    /// Which nodes it keeps away from.
    pub(super) fn spares(&self, snapshot: &Snapshot) -> Spares {
        if self.crashes.spared.is_none() && !snapshot.view.any_suspect {
            return Spares::Nobody;
        }
        let text = match self.sql {
            Some(sql) if self.reads() => snapshot.view.spares(TextHash::of(sql)),
            _ => Spares::Nobody,
        };
        match self.crashes.spared {
            Some(_) => text.max(Spares::Primary),
            None => text,
        }
    }

    /// Looks whether it is one to be kept away from the primary.
    pub(super) fn note_suspicion(&mut self, snapshot: &Snapshot) {
        let Crashes { ran_in, spared } = self.crashes;
        let text = match self.sql {
            Some(sql) if snapshot.view.any_suspect && self.reads() => Some(TextHash::of(sql)),
            _ => None,
        };
        self.crashes.spared = snapshot.view.spared(text, ran_in, spared);
    }

    /// Whether the node that it was sent to is one to keep away from by now.
    pub(super) fn is_kept_off(&mut self, lease: &Lease) -> bool {
        let snapshot = self.shared.snapshot.load();
        self.note_suspicion(&snapshot);
        self.spares(&snapshot).bars(lease.role())
    }

    /// Why it was sent nowhere, or nowhere else than where it ran beside what crashed its server.
    pub(super) fn kept_back(&mut self) -> Error {
        let snapshot = self.shared.snapshot.load();
        let name = |id: Option<NodeId>| {
            let mut nodes = snapshot.view.nodes().iter();
            let known = nodes.find(|node| Some(node.id) == id);
            known.map_or_else(String::new, |node| node.name.to_string())
        };
        match (self.crashes.ran_in, self.last.take()) {
            (Some((node, _)), Some(source)) => Error::ServerCrashed {
                node: name(Some(node)),
                source,
            },
            _ => Error::KeptBack {
                node: name(self.crashes.spared),
                waited: self.started().elapsed(),
                sent: self.sent,
            },
        }
    }
}
