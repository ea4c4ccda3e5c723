//! A transaction that is run again where it is certain that nothing of it was stored (rule R12).

use std::{error::Error as StdError, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sea_orm::{AccessMode, DbErr, IsolationLevel, RuntimeErr, TransactionError, TransactionTrait};

use super::{RoutedConnection, transaction::RoutedTransaction};
use crate::{
    error::Error,
    metrics::NodeMetrics,
    signal::{self, EndsTransaction},
    vocabulary::RetryCause,
};

/// How often [`transaction_with_retry`](RoutedConnection::transaction_with_retry) runs its closure, and what it waits between.
#[derive(Clone, Debug)]
#[must_use]
pub struct RetryPolicy {
    attempts: u32,
    first_pause: Duration,
    most_pause: Duration,
    isolation_level: Option<IsolationLevel>,
    access_mode: Option<AccessMode>,
}

impl Default for RetryPolicy {
    /// Four attempts, as statements have; 10 ms before the second, doubled up to 500 ms: what was in the way is mostly
    /// over within milliseconds, and whoever waits for longer should be told.
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(10),
            most_pause: Duration::from_millis(500),
            isolation_level: None,
            access_mode: None,
        }
    }
}

impl RetryPolicy {
    /// How often the closure runs at the most, the first time included. Default: 4. With 1, or 0, it runs once.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The pause before the second attempt, doubled before each one after it up to the longest. Each is cut at random to between
    /// half and all of it, so that two that were in each other's way do not meet again. Default: 10 ms and 500 ms.
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.most_pause = longest;
        self
    }

    /// The isolation level of each attempt. Default: the server's.
    pub fn with_isolation_level(mut self, level: IsolationLevel) -> Self {
        self.isolation_level = Some(level);
        self
    }

    /// The access mode of each attempt. Default: the server's. Declared read only and not serializable, it may run on a
    /// replica.
    pub fn with_access_mode(mut self, mode: AccessMode) -> Self {
        self.access_mode = Some(mode);
        self
    }

    /// The pause after this many attempts, of which `jitter` (0 to 1) is cut off up to its half.
    pub(crate) fn pause_after(&self, attempts: u32, jitter: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let whole = self.first_pause.saturating_mul(doubled);
        let whole = whole.min(self.most_pause);
        // Not the whole by a factor, which has no room above the greatest duration.
        whole - (whole / 2).mul_f64(jitter)
    }
}

/// One attempt that came to nothing.
struct FailedAttempt<E> {
    error: TransactionError<E>,
    /// Why it may be run again, and whose retry that is.
    again: Option<(RetryCause, Arc<NodeMetrics>)>,
}

impl RoutedConnection {
    /// Runs a closure inside a transaction, as SeaORM's [`transaction`](TransactionTrait::transaction) does, and runs it again in
    /// a new one where the transaction failed and nothing of it is stored, for certain: the server has rolled it back as
    /// not serializable or as a part of a deadlock (40001, 40P01; 1213 and 1020 on MariaDB and MySQL; SQLite's
    /// `SQLITE_BUSY_SNAPSHOT`), or its connection was lost before COMMIT was sent. Never after a COMMIT whose outcome nobody
    /// knows, and not for any other error, one that a function of yours raises under such a code included.
    ///
    /// Only what the closure does in the transaction is undone before it runs again: what it does elsewhere it does each time.
    /// What its future needs of the caller it has to own, as with SeaORM's: clone that in the closure, and take it along by
    /// `async move`.
    /// Its error has to keep SeaORM's as [`source`](StdError::source), or be it or a nested transaction's, for the reason to be
    /// found. A closure that returns `Ok` although its transaction was rolled back so runs again as well. A text that may
    /// end the transaction, and [`concrete()`](RoutedTransaction::concrete), make nothing certain any more: such an
    /// attempt is the last.
    ///
    /// Attempts draw on the retry budget of the cluster, as repeated statements do (`retry_percent`,
    /// `retries_per_second` of the builder: a tenth of the requests and ten a second), so that a cluster that fails under
    /// load is not given more. When it is spent, the error is that of the last attempt: raise it where many transactions meet on
    /// the same rows. Attempts are counted in `sealane_retries_total`, what is left in `sealane_retry_budget`.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sea_orm::{ConnectionTrait, DbErr, IsolationLevel};
    /// use sealane::{RetryPolicy, RoutedConnection, RoutedTransaction};
    ///
    /// async fn pay(txn: &RoutedTransaction, cents: i64) -> Result<(), DbErr> {
    ///     let take = format!("UPDATE account SET cents = cents - {cents} WHERE id = 1");
    ///     txn.execute_unprepared(&take).await?;
    ///     let give = format!("UPDATE account SET cents = cents + {cents} WHERE id = 2");
    ///     txn.execute_unprepared(&give).await?;
    ///     Ok(())
    /// }
    ///
    /// let db = RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
    /// db.execute_unprepared("CREATE TABLE account (id integer PRIMARY KEY, cents integer)").await?;
    /// let policy = RetryPolicy::default().with_isolation_level(IsolationLevel::Serializable);
    /// db.transaction_with_retry(policy, |txn| Box::pin(pay(txn, 100))).await?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// Those of the last attempt: [`TransactionError::Connection`] when BEGIN, COMMIT or ROLLBACK failed, else the closure's own.
    pub async fn transaction_with_retry<F, T, E>(
        &self,
        policy: RetryPolicy,
        callback: F,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> Fn(&'c RoutedTransaction) -> BoxFuture<'c, Result<T, E>> + Send + Sync,
        T: Send,
        E: StdError + Send + 'static,
    {
        let mut attempts = 0_u32;
        loop {
            let failed = match self.attempt(&policy, &callback).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            attempts = attempts.saturating_add(1);
            let again = failed.again.filter(|_| attempts < policy.attempts);
            let Some((cause, metrics)) = again.filter(|_| self.spend_retry()) else {
                return Err(failed.error);
            };
            metrics.retry(cause);
            let pause = policy.pause_after(attempts, fastrand::f64());
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<F, T, E>(
        &self,
        policy: &RetryPolicy,
        callback: &F,
    ) -> Result<T, FailedAttempt<E>>
    where
        F: for<'c> Fn(&'c RoutedTransaction) -> BoxFuture<'c, Result<T, E>> + Send + Sync,
        T: Send,
        E: StdError + Send + 'static,
    {
        let begun = self.begin_with_config(policy.isolation_level, policy.access_mode);
        let txn = begun.await.map_err(|err| FailedAttempt {
            error: TransactionError::Connection(err),
            again: None,
        })?;
        let result = callback(&txn).await;
        // Before its end, which takes it.
        let metrics = txn.held.lease().shared_metrics();
        let is_certain = !txn.held.may_have_ended();
        let is_undone = txn.held.is_undone();
        txn.finish(result).await.map_err(|error| {
            let cause = undone(&error).or_else(|| aborted(&error).filter(|_| is_undone));
            let cause = cause.filter(|_| is_certain);
            let again = cause.map(|cause| (cause, metrics));
            FailedAttempt { error, again }
        })
    }

    fn spend_retry(&self) -> bool {
        let shared = self.shared();
        shared.is_ok_and(|shared| shared.admission.spend_retry(shared.now()))
    }
}

/// The closure has made nothing of what aborted its transaction.
fn aborted<E>(error: &TransactionError<E>) -> Option<RetryCause> {
    let TransactionError::Connection(err) = error else {
        return None;
    };
    let aborted = matches!(Error::from_db_err(err), Some(Error::CommitAborted { .. }));
    aborted.then_some(RetryCause::Serialization)
}

/// Why a transaction that failed so is worth another attempt, and certainly stored nothing.
fn undone<E: StdError + 'static>(error: &TransactionError<E>) -> Option<RetryCause> {
    match error {
        TransactionError::Connection(err) => undone_by(err),
        TransactionError::Transaction(err) => {
            let mut next: Option<&(dyn StdError + 'static)> = Some(err);
            while let Some(err) = next {
                // An error that is transparent passes SeaORM's over, and shows what that had as its source.
                let whole = err.downcast_ref::<DbErr>().or_else(|| of_nested(err));
                let whole = whole.and_then(undone_by);
                let part = || undone_by(&DbErr::Exec(copy(err.downcast_ref()?)?));
                if let Some(cause) = whole.or_else(part) {
                    return Some(cause);
                }
                next = err.source();
            }
            None
        }
    }
}

/// What a nested transaction failed with: SeaORM's error of one has no source.
fn of_nested<'e>(err: &'e (dyn StdError + 'static)) -> Option<&'e DbErr> {
    let nested = err.downcast_ref::<TransactionError<DbErr>>()?;
    let (TransactionError::Connection(err) | TransactionError::Transaction(err)) = nested;
    Some(err)
}

/// A driver's error again: the other ones cannot be had twice.
fn copy(err: &RuntimeErr) -> Option<RuntimeErr> {
    match err {
        RuntimeErr::SqlxError(err) => Some(RuntimeErr::SqlxError(Arc::clone(err))),
        // Not exhaustive on purpose: other features of SeaORM add variants.
        #[allow(unreachable_patterns)]
        _ => None,
    }
}

fn undone_by(err: &DbErr) -> Option<RetryCause> {
    match Error::from_db_err(err) {
        // Where the server ends it with the error itself, the rest of it is lost for that reason.
        Some(Error::TransactionLost { source, .. }) => {
            match (
                signal::is_serialization(source),
                signal::ends_transaction(source),
            ) {
                (true, _) => Some(RetryCause::Serialization),
                // A lock's limit is no reason by itself either.
                (false, EndsTransaction::Untold) => None,
                (false, _) => Some(RetryCause::Lost),
            }
        }
        Some(_) => None,
        None => signal::is_serialization(err).then_some(RetryCause::Serialization),
    }
}
