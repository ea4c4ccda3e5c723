//! A read under which a server broke off: whether that crashed, and where the read must not go then (rule R5).

use std::time::Instant;

use sea_orm::DbBackend;

use super::{Attempt, phase::Phase, progress::Crashes};
use crate::{
    cluster::shared::Shared,
    error::Error,
    node::Lease,
    route::retry::Crash,
    snapshot::Snapshot,
    state::{Fate, Ran, TextHash},
    vocabulary::{Intent, NodeId, Stage},
};

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
        match (stage, self.request.sql) {
            (Stage::Route | Stage::Acquire, _) | (_, None) => Ran::Nothing,
            (_, Some(sql)) if self.reads() => Ran::Read(TextHash::of(sql)),
            _ => Ran::Other,
        }
    }

    fn reads(&self) -> bool {
        self.classification.intent == Intent::Read && self.progress.refused.is_none()
    }

    /// The text of a read, which may be suspected of a crash.
    #[inline]
    pub(super) fn read_text(&self) -> Option<&str> {
        self.request.sql.filter(|_| self.reads())
    }

    /// Asks what the statement has to do with the crash of its server, if there was one.
    pub(super) async fn ask_for_crash(&mut self, lease: &Lease, ran: Ran) -> Crash {
        let begun = Instant::now();
        self.timing.start(begun);
        let fate = self.request.shared.fate(lease).await;
        self.timing.spend(Phase::Route, begun);
        let node = lease.node();
        let crashes = &mut self.progress.crashes;
        let crash = Crash::of(fate, ran, crashes.ran_in.is_some());
        if crash != Crash::No {
            crashes.ran_in = Some((node.id, node.generation));
        }
        crash
    }

    /// Looks whether it is one to be kept away from the primary.
    pub(super) fn note_suspicion(&mut self, snapshot: &Snapshot) {
        let Crashes { ran_in, spared } = self.progress.crashes;
        let text = self.read_text().filter(|_| snapshot.view.any_suspect);
        let text = text.map(TextHash::of);
        self.progress.crashes.spared = snapshot.view.spared(text, ran_in, spared);
    }

    /// Looks whether the node that it was sent to is one to keep away from by now.
    pub(super) fn notes_node_to_spare(&mut self, lease: &Lease) -> bool {
        let snapshot = self.request.shared.snapshot.load();
        self.note_suspicion(&snapshot);
        self.spares(&snapshot).bars(lease.role())
    }

    /// Why it was sent nowhere, or nowhere else than where it ran beside what crashed its server.
    pub(super) fn kept_back(&mut self) -> Error {
        let snapshot = self.request.shared.snapshot.load();
        let name = |id: Option<NodeId>| {
            let mut nodes = snapshot.view.nodes().iter();
            let known = nodes.find(|node| Some(node.id) == id);
            known.map_or_else(String::new, |node| node.name.to_string())
        };
        let Crashes { ran_in, spared } = self.progress.crashes;
        match (ran_in, self.progress.last.take()) {
            (Some((node, _)), Some(source)) => Error::ServerCrashed {
                node: name(Some(node)),
                source,
            },
            _ => Error::KeptBack {
                node: name(spared),
                waited: self.timing.waited(),
                sent: self.progress.sent,
            },
        }
    }
}
