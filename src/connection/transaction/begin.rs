//! Beginning a transaction where its options allow, as SeaORM's [`TransactionTrait`] asks for it. Nothing of the caller's
//! has been sent when that fails.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Instant,
};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbErr, IsolationLevel, TransactionError,
    TransactionOptions, TransactionTrait,
};

use super::{BeginOptions, RoutedTransaction, TransactionState};
use crate::{
    cluster::shared::Shared,
    connection::{Callback, RoutedConnection},
    dispatch::{self, Attempt, Failed, FinishInBackground, Overrides, Work, asking_why},
    error::DbErrKind,
    intent::Classification,
    node::{Lease, NodePool, local::LocalSettings, open::logs_in_again},
    signal,
    span::Subject,
};

/// A transaction that is to begin.
struct Begin<'a> {
    options: TransactionOptions,
    callback: Option<&'a Callback>,
}

/// SeaORM's transaction, which has begun.
struct BegunTransaction {
    inner: DatabaseTransaction,
    /// Since when it may have been open.
    since: Instant,
}

impl RoutedConnection {
    /// Begins a transaction where its options allow.
    pub(in crate::connection) async fn open_transaction(
        &self,
        options: TransactionOptions,
    ) -> Result<RoutedTransaction, DbErr> {
        let shared = self.shared().map_err(|err| err.into_db(DbErrKind::Exec))?;
        let begin = Begin {
            options,
            callback: self.callback.as_ref(),
        };
        dispatch::run(shared, &self.overrides, &begin).await
    }
}

#[async_trait::async_trait]
impl TransactionTrait for RoutedConnection {
    type Transaction = RoutedTransaction;

    async fn begin(&self) -> Result<RoutedTransaction, DbErr> {
        self.open_transaction(TransactionOptions::default()).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<RoutedTransaction, DbErr> {
        self.open_transaction(TransactionOptions {
            isolation_level,
            access_mode,
            ..Default::default()
        })
        .await
    }

    async fn begin_with_options(
        &self,
        options: TransactionOptions,
    ) -> Result<RoutedTransaction, DbErr> {
        self.open_transaction(options).await
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(
                &'c RoutedTransaction,
            ) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let txn = self.begin().await.map_err(TransactionError::Connection)?;
        let result = callback(&txn).await;
        txn.finish(result).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(
                &'c RoutedTransaction,
            ) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let txn = self
            .begin_with_config(isolation_level, access_mode)
            .await
            .map_err(TransactionError::Connection)?;
        let result = callback(&txn).await;
        txn.finish(result).await
    }
}

impl Work for Begin<'_> {
    type Sent = BegunTransaction;
    type Output = RoutedTransaction;
    const KIND: DbErrKind = DbErrKind::Exec;

    /// Only what is declared read only, and is not serializable, may go to a replica: a standby refuses every statement of
    /// a serializable transaction.
    fn classify(&self, _: &Shared, _: &Overrides) -> Classification {
        let read_only = self.options.access_mode == Some(AccessMode::ReadOnly);
        let serializable = self.options.isolation_level == Some(IsolationLevel::Serializable);
        Classification::of_begin(read_only && !serializable)
    }

    fn sql(&self) -> Option<&str> {
        None
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Call("BEGIN")
    }

    /// A begin needs a permit only: SeaORM takes the connection and begins in one call.
    async fn send(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &mut Lease,
    ) -> Result<Option<BegunTransaction>, Failed> {
        let since = Instant::now();
        let begun = match attempt.permit(lease).await {
            Ok(()) => self.begin_fresh(attempt, lease).await,
            Err(err) => Err(err),
        };
        match begun {
            Ok(begun) => Ok(begun.map(|inner| BegunTransaction { inner, since })),
            Err(err) => {
                attempt.tries_since(since);
                let stage = signal::stage_of(&err);
                Err(Failed::at(stage, err))
            }
        }
    }

    fn done(
        &self,
        attempt: &mut Attempt<'_>,
        lease: Lease,
        begun: BegunTransaction,
    ) -> RoutedTransaction {
        let BegunTransaction { inner, since } = begun;
        let opening = BeginOptions::of(&self.options, since);
        let shared = Arc::clone(attempt.shared());
        let (reads, writing) = attempt.hand_over();
        let held = TransactionState::new(shared, lease, writing, opening, reads);
        held.keep_use(attempt.span.take_use());
        RoutedTransaction { inner, held }
    }
}

impl Begin<'_> {
    /// Begins there, unless the node turns out not to be as far as the session.
    async fn begin_fresh(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &Lease,
    ) -> Result<Option<DatabaseTransaction>, DbErr> {
        // What holds the connection stands before the guard, so that it is dropped after it.
        let inner;
        let forgets = lease.node().link.needs_blocks();
        let options = match forgets {
            // SeaORM would prepare the statement that sets the others.
            true => TransactionOptions {
                isolation_level: None,
                access_mode: None,
                ..self.options
            },
            false => self.options,
        };
        #[cfg(all(feature = "testing", feature = "postgres"))]
        let options = TransactionOptions {
            // A part of the test's own transaction has none.
            isolation_level: options
                .isolation_level
                .filter(|_| lease.node().link.fence().is_none()),
            ..options
        };
        let beginning = pin!(self.begin_on(attempt.shared(), lease, options));
        let mut unasked = attempt.unasked(lease);
        inner = beginning.await?;
        if forgets {
            inner.execute_unprepared(&self.forgetting()).await?;
        }
        unasked.mark_begun();
        attempt.greet_begun(lease, &inner).await?;
        let near = attempt.is_begun_near(lease, &inner).await?;
        let fresh = attempt.prove_begun(lease).await;
        drop(unasked);
        if !(near && fresh) {
            return Ok(None);
        }
        // Last: at REPEATABLE READ this takes the snapshot.
        if let Some(local) = attempt.local() {
            let setting = lease.guard(inner.query_all_raw(local.statement()));
            let set = Box::pin(setting).await;
            set.unwrap_or_else(|cut| Err(cut.into_db(Self::KIND)))
                .map_err(LocalSettings::masked)?;
        }
        Ok(Some(inner))
    }

    /// The first that is sent behind a pooler in transaction mode (rule I8): whatever other clients left prepared there has
    /// the names that this one gives.
    fn forgetting(&self) -> String {
        let isolation = self.options.isolation_level;
        let isolation = isolation.map(|level| format!("ISOLATION LEVEL {level}"));
        let access = self.options.access_mode.map(|mode| mode.to_string());
        let settings: Vec<String> = isolation.into_iter().chain(access).collect();
        match settings.is_empty() {
            true => "DEALLOCATE ALL".to_owned(),
            false => format!("SET TRANSACTION {}; DEALLOCATE ALL", settings.join(", ")),
        }
    }

    async fn begin_on(
        &self,
        shared: &Arc<Shared>,
        lease: &Lease,
        options: TransactionOptions,
    ) -> Result<DatabaseTransaction, DbErr> {
        let link: &Arc<NodePool> = &lease.node().link;
        link.present().await?;
        let _waits = lease.node().wait_for_pool();
        let mut connection = link.connection().clone();
        if let Some(callback) = self.callback.cloned() {
            // SeaORM's transaction takes its callback from the connection that begins it.
            connection.set_metric_callback(move |info| {
                if !LocalSettings::is_own(&info.statement.sql) {
                    callback(info);
                }
            });
        }
        let mut login = link.login();
        loop {
            let connection = connection.clone();
            let beginning = async move { connection.begin_with_options(options).await };
            // The connection may be a new one that nobody will ask (rule C4).
            let replayed = Arc::clone(&lease.node().replayed);
            let beginning = FinishInBackground::new(beginning, move || replayed.opaque());
            let beginning = asking_why(shared, lease.node(), link.while_open(beginning));
            let begun = lease.guard(beginning).await;
            match begun.unwrap_or_else(|cut| Err(cut.into_db(Self::KIND))) {
                Err(err) if logs_in_again(&mut login, &err).await => {}
                begun => return begun,
            }
        }
    }
}
