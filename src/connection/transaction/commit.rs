//! The end of a transaction, and what is known of it.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};

use super::{RoutedTransaction, TransactionState};
use crate::{
    backend::restore_read_only_default,
    dispatch::FinishInBackground,
    error::{DbErrKind, Error},
    metrics::NodeCounter,
    signal,
    span::Subject,
    state::Ran,
    vocabulary::Stage,
};

impl RoutedTransaction {
    /// Stores what the transaction did; of a nested one, keeps its savepoint's work for the outer one.
    ///
    /// # Errors
    /// - [`Error::UnknownOutcome`]: the connection was lost while COMMIT was under way.
    /// - [`Error::CutOff`]: the node was given up while COMMIT was under way; the outcome is unknown as well.
    /// - [`Error::CommitAborted`]: an earlier error had aborted the transaction; it was rolled back.
    /// - [`Error::TransactionLost`]: the connection was lost before; of a nested one, also meanwhile. Nothing is stored.
    /// - [`Error::TransactionPoisoned`]: a nested `begin` had failed.
    /// - What the server answers, unchanged (a deferred constraint, for one).
    pub async fn commit(self) -> Result<(), DbErr> {
        let outermost = self.held.is_outermost();
        let mut span = self.held.span(Subject::Call(match outermost {
            true => "COMMIT",
            false => "RELEASE SAVEPOINT",
        }));
        let done = span.entrance().run(self.commit_inside()).await;
        span.ended(&done);
        done
    }

    async fn commit_inside(self) -> Result<(), DbErr> {
        self.held.told(self.settle(DbErrKind::Query).await)?;
        self.held.told(self.held.check(DbErrKind::Query))?;
        let Self { inner, held } = self;
        let backend = ConnectionTrait::get_database_backend(&inner);
        // Boxed, as both are rare and large.
        if held.is_outermost() && held.is_doubtful() && TransactionState::aborts_silently(backend) {
            let look = Box::pin(commit_state(&inner, &held));
            if held.told(look.await)? == CommitState::Aborted {
                Box::pin(inner.rollback()).await?;
                let node = held.lease().name();
                return held.told(Err(Error::CommitAborted { node }.into_db(DbErrKind::Query)));
            }
        }
        if held.is_outermost()
            && held.may_have_lifted_read_only_default()
            && let Some(restore) = restore_read_only_default(backend)
        {
            let restoring = held.lease().guard(inner.execute_unprepared(restore));
            let restored = Box::pin(restoring).await;
            let restored = restored.unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Query)));
            held.told(restored.map_err(|err| held.typed(err, DbErrKind::Query, Ran::Other)))?;
        }
        if !held.is_outermost() {
            return Box::pin(send(inner, held)).await;
        }
        // From here on it goes on although its caller is gone: only the answer tells what is stored.
        let leave = held.leave();
        FinishInBackground::new(send(inner, held), leave).await
    }

    /// Undoes what the transaction did; of a nested one, what came after its savepoint.
    ///
    /// # Errors
    /// [`Error::TransactionLost`] when the connection is gone: nothing is stored in that case either.
    pub async fn rollback(self) -> Result<(), DbErr> {
        let span = self
            .held
            .span(Subject::Call(match self.held.is_outermost() {
                true => "ROLLBACK",
                false => "ROLLBACK TO SAVEPOINT",
            }));
        // Where the question fails, nothing is lost by that: what was begun is rolled back.
        let _ = self.settle(DbErrKind::Query).await;
        let Self { inner, held } = self;
        let work = async {
            held.is_there(DbErrKind::Query)?;
            let rolled_back = held.lease().guard(inner.rollback());
            let rolled_back = Box::pin(rolled_back).await;
            let rolled_back = rolled_back.unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Query)));
            match rolled_back {
                // The server has undone all of it, and knows no savepoint any more.
                Err(err) if held.is_over() && held.is_answer(&err) => Ok(()),
                done => done.map_err(|err| held.typed(err, DbErrKind::Query, Ran::Other)),
            }
        };
        held.observe(span, work).await
    }
}

/// How a transaction is that may have been aborted.
#[derive(PartialEq)]
enum CommitState {
    Open,
    Aborted,
}

/// Asks for it.
async fn commit_state(
    inner: &DatabaseTransaction,
    held: &TransactionState,
) -> Result<CommitState, DbErr> {
    let backend = ConnectionTrait::get_database_backend(inner);
    let asking = inner.query_one_raw(Statement::from_string(backend, "SELECT 1"));
    let asked = held.lease().guard(asking).await;
    match asked.unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Query))) {
        Ok(_) => Ok(CommitState::Open),
        Err(err) if signal::is_in_aborted_transaction(&err) => Ok(CommitState::Aborted),
        Err(err) => Err(held.typed(err, DbErrKind::Query, Ran::Other)),
    }
}

/// Sends COMMIT and hears what became of it; an error tells of the cluster.
async fn send(inner: DatabaseTransaction, held: TransactionState) -> Result<(), DbErr> {
    let sent = send_commit(inner, &held).await;
    held.told(sent)
}

async fn send_commit(inner: DatabaseTransaction, held: &TransactionState) -> Result<(), DbErr> {
    held.set_committing(held.is_outermost());
    let outcome = held.lease().guard(inner.commit()).await;
    let answered = match &outcome {
        Ok(Ok(())) => true,
        Ok(Err(err)) => !held.commit_is_unknown(err),
        // Nothing was sent, so nothing is under way.
        Err(cut) => matches!(cut, Error::GivenUp { .. }),
    };
    if answered {
        held.set_committing(false);
    }
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(err)) if held.commit_is_unknown(&err) => {
            held.report(Stage::Commit, &err, Ran::Other);
            held.lease().metrics().count(NodeCounter::UnknownOutcome);
            let node = held.lease().name();
            Err(Error::UnknownOutcome {
                node,
                stage: Stage::Commit,
                source: err,
            }
            .into_db(DbErrKind::Query))
        }
        Ok(Err(err)) => Err(held.typed(err, DbErrKind::Query, Ran::Other)),
        // A savepoint's end stores nothing, and a COMMIT that was not sent neither.
        Err(cut) if answered || !held.is_outermost() => {
            Err(held.typed(cut.into_db(DbErrKind::Query), DbErrKind::Query, Ran::Other))
        }
        Err(cut) => {
            held.lease().metrics().count(NodeCounter::UnknownOutcome);
            Err(cut.into_db(DbErrKind::Query))
        }
    }
}
