//! Who waits for what the reducer makes of a request, found again by the ticket that goes through it and back (the
//! correlation identifier of messaging).

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::{error::Error, state::Changes};

/// Who waits for what the reducer makes of a request.
#[derive(Default)]
pub(super) struct PendingReplies {
    tickets: u64,
    /// For another list of nodes to be in use.
    changes: HashMap<u64, oneshot::Sender<Result<Changes, Error>>>,
    /// For news of a node.
    checks: HashMap<u64, oneshot::Sender<()>>,
    /// Whose checks are over, until all is done that came with them.
    checked: Vec<oneshot::Sender<()>>,
}

impl PendingReplies {
    /// A ticket for somebody who replaces the list of nodes.
    pub(super) fn change(&mut self, answer: oneshot::Sender<Result<Changes, Error>>) -> u64 {
        let ticket = self.ticket();
        self.changes.insert(ticket, answer);
        ticket
    }

    /// What came of that; whether nobody else changes the list now.
    pub(super) fn answer_change(&mut self, ticket: u64, answer: Result<Changes, Error>) -> bool {
        if let Some(waiting) = self.changes.remove(&ticket) {
            // Whoever asked may have stopped waiting; the change stands.
            let _ = waiting.send(answer);
        }
        self.changes.is_empty()
    }

    /// A ticket for somebody who waits for news of a node.
    pub(super) fn check(&mut self, answer: oneshot::Sender<()>) -> u64 {
        let ticket = self.ticket();
        self.checks.insert(ticket, answer);
        ticket
    }

    /// There are such news.
    pub(super) fn note_checked(&mut self, ticket: u64) {
        self.checked.extend(self.checks.remove(&ticket));
    }

    /// All is done that came with them.
    pub(super) fn answer_checks(&mut self) {
        for answer in self.checked.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(());
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}
