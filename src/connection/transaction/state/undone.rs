//! What becomes of a whole transaction by one of its statements: its server has rolled it back, or it may write after all.

use std::sync::atomic::Ordering;

use sea_orm::DbErr;

use super::TransactionState;
use crate::{
    intent::Classifier,
    signal::{self, EndsTransaction},
    vocabulary::Intent,
};

impl TransactionState {
    /// Notes what an error says of the whole transaction.
    pub(in crate::connection::transaction) fn note_undone(&self, err: &DbErr) {
        // Said to whatever comes after the error that is meant.
        if signal::is_in_aborted_transaction(err) {
            return;
        }
        let marks = &self.root.marks;
        let undone = signal::is_serialization(err);
        marks.undone.store(undone, Ordering::Release);
        match signal::ends_transaction(err) {
            EndsTransaction::Surely => {
                let _ = marks.over.set(err.clone());
            }
            EndsTransaction::Untold => *marks.untold() = Some(err.clone()),
            EndsTransaction::No => {}
        }
    }

    /// The error of which nobody knows yet whether it ended the transaction.
    pub(in crate::connection::transaction) fn untold(&self) -> Option<DbErr> {
        self.root.marks.untold().clone()
    }

    /// The server has said whether that error ended the transaction.
    pub(in crate::connection::transaction) fn is_told(&self, err: DbErr, over: bool) {
        let marks = &self.root.marks;
        if over {
            let _ = marks.over.set(err);
        }
        *marks.untold() = None;
    }

    /// Whether the server is known to have ended it with an error: nothing of it is left to be undone.
    pub(in crate::connection::transaction) fn is_over(&self) -> bool {
        self.root.marks.over.get().is_some()
    }

    /// Whether the error is a server's answer, on a connection that lives on.
    pub(in crate::connection::transaction) fn is_answer(&self, err: &DbErr) -> bool {
        signal::code(err).is_some() && !self.signal(err).ends_connection()
    }

    /// An error in the midst of a stream.
    #[cfg(feature = "stream")]
    pub(in crate::connection) fn heard(&self, err: &DbErr) {
        self.note_undone(err);
        let kind = self.signal(err).failure_kind();
        self.lease().metrics().failure(kind);
        if signal::is_outdated(err) {
            self.root.marks.outdated.store(true, Ordering::Release);
        }
    }

    /// Whether what aborted it, where something has, was others beside it.
    pub(in crate::connection) fn is_undone(&self) -> bool {
        self.root.marks.undone.load(Ordering::Acquire)
    }

    /// PostgreSQL lets a transaction that was declared read only take that back. So the first of its texts that is no proven
    /// read makes it a write, as every other transaction is from its begin; the server may refuse the text all the same.
    pub(super) async fn note_declaration(&self, sql: &str, classifier: &Classifier) {
        let root = &self.root;
        if !root.only_reads() || classifier.verdict(sql).intent == Intent::Read {
            return;
        }
        if classifier.belongs_inside(sql) {
            return;
        }
        let gate = &root.shared.clock.gate;
        loop {
            if let Some(writing) = gate.enter() {
                return root.open_write(writing);
            }
            gate.until_open().await;
        }
    }

    /// As before, of what is done out of our sight. Nobody can wait here, so a pause of writes does not hold it back.
    pub(super) fn note_declaration_unseen(&self) {
        let root = &self.root;
        if root.only_reads()
            && let Some(writing) = root.shared.clock.gate.enter()
        {
            root.open_write(writing);
        }
    }
}
