//! What is known of a transaction whose connection or node was lost (rule T9).

use std::sync::{Arc, atomic::Ordering};

use sea_orm::DbErr;

use super::{Root, TransactionState};
use crate::{
    causality::{OpenWrite, unresolved::Orphan},
    error::{DbErrKind, Error, GIVEN_UP},
    metrics::NodeCounter,
    route::retry,
    signal::Signal,
    state::{Fate, Ran},
    vocabulary::{Outcome, Stage},
};

/// A COMMIT whose caller is gone, until it is done.
pub(in crate::connection::transaction) struct LeftCommit {
    root: Arc<Root>,
    orphan: Option<Orphan>,
}

impl Drop for LeftCommit {
    fn drop(&mut self) {
        // Otherwise it was lost.
        if let Some(orphan) = self.orphan.take()
            && !self.root.marks.committing.load(Ordering::Acquire)
        {
            orphan.mark_returned();
        }
    }
}

impl TransactionState {
    /// What keeps its session on the primary should the caller of its COMMIT go.
    pub(in crate::connection::transaction) fn leave(
        &self,
    ) -> impl FnOnce() -> LeftCommit + Send + Unpin + use<> {
        let root = Arc::clone(&self.root);
        move || LeftCommit {
            orphan: root.write.get().and_then(OpenWrite::abandon),
            root,
        }
    }

    /// What a statement's error means. A read on a replica that may have crashed its server says so: begun again, the
    /// transaction would crash the next one (rule R5).
    pub(in crate::connection::transaction) async fn broke(
        &self,
        err: DbErr,
        kind: DbErrKind,
        ran: Ran,
    ) -> DbErr {
        let silent = self.signal(&err) == Signal::Disconnected;
        let typed = self.typed(err.clone(), kind, ran);
        let Ran::Read(_) = ran else {
            return typed;
        };
        if !silent || self.root.shared.fate(self.lease()).await != Fate::Crashed(ran) {
            return typed;
        }
        Error::ServerCrashed {
            node: self.lease().name(),
            source: err,
        }
        .into_db(kind)
    }

    /// A lost connection before COMMIT means that nothing of the transaction is stored (rule T9), unless a text of its own
    /// may have ended it before.
    pub(in crate::connection::transaction) fn typed(
        &self,
        err: DbErr,
        kind: DbErrKind,
        ran: Ran,
    ) -> DbErr {
        let node_given_up = matches!(
            Error::from_db_err(&err),
            Some(Error::CutOff { .. } | Error::GivenUp { .. })
        );
        let signal = self.signal(&err);
        if !node_given_up && !signal.ends_connection() {
            self.lease().metrics().failure(signal.failure_kind());
            return err;
        }
        self.report(Stage::Send, &err, ran);
        // What those errors say of one statement is not what holds for the transaction.
        let source = match node_given_up {
            true => DbErr::Custom(format!("the node was given up: {GIVEN_UP}")),
            false => err,
        };
        // The first one says why.
        let _ = self.root.marks.lost.set(source.clone());
        if self.root.marks.may_have_ended.load(Ordering::Acquire) {
            self.lease().metrics().count(NodeCounter::UnknownOutcome);
        }
        self.lost_error(source, kind)
    }

    /// Fails when nothing more may be sent in the transaction.
    pub(in crate::connection::transaction) fn check(&self, kind: DbErrKind) -> Result<(), DbErr> {
        if self.root.marks.poisoned.load(Ordering::Acquire) {
            return Err(Error::TransactionPoisoned.into_db(kind));
        }
        if let Some(err) = self.root.marks.over.get() {
            return Err(self.lost_error(err.clone(), kind));
        }
        self.is_there(kind)
    }

    /// Fails when its connection is known to be gone.
    pub(in crate::connection::transaction) fn is_there(
        &self,
        kind: DbErrKind,
    ) -> Result<(), DbErr> {
        match self.root.marks.lost.get() {
            Some(err) => Err(self.lost_error(err.clone(), kind)),
            None => Ok(()),
        }
    }

    fn lost_error(&self, source: DbErr, kind: DbErrKind) -> DbErr {
        let node = self.lease().name();
        if self.root.marks.may_have_ended.load(Ordering::Acquire) {
            let stage = Stage::Send;
            return Error::UnknownOutcome {
                node,
                stage,
                source,
            }
            .into_db(kind);
        }
        Error::TransactionLost { node, source }.into_db(kind)
    }

    /// Whether COMMIT may have been executed although it failed (rule T9). The end of a savepoint stores nothing.
    pub(in crate::connection::transaction) fn commit_is_unknown(&self, err: &DbErr) -> bool {
        let failure = retry::Failure {
            kind: retry::SentKind::Commit,
            stage: Stage::Commit,
            signal: self.signal(err),
            role: self.lease().role(),
            in_transaction: true,
            correctable: false,
            retries: 0,
            renewed: 0,
            crash: retry::Crash::No,
        };
        let stores = self.is_outermost() && !self.root.only_reads();
        stores && retry::outcome(&failure) == Outcome::Unknown
    }
}
