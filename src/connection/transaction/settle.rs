//! Whether a transaction goes on after an error that does not say so (rule R9): its server is asked before anything else is sent.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::RoutedTransaction;
use crate::{backend::is_transaction_over, error::DbErrKind, state::Ran};

impl RoutedTransaction {
    /// What a text is, before it is sent.
    pub(super) async fn judge(&self, sql: &str, kind: DbErrKind) -> Result<Ran, DbErr> {
        self.settle(kind).await?;
        self.held.judge(sql, kind).await
    }

    /// Finds out whether the transaction is over, where an error before has left that open. Where the question fails, it is put
    /// again by whatever comes next.
    ///
    /// To ask each connection for the option as it is opened was rejected: not every pool lets us, and nearly every transaction
    /// ends with such an error.
    pub(super) async fn settle(&self, kind: DbErrKind) -> Result<(), DbErr> {
        match self.held.untold() {
            None => Ok(()),
            Some(err) => Box::pin(self.ask_whether_over(err, kind)).await,
        }
    }

    async fn ask_whether_over(&self, err: DbErr, kind: DbErrKind) -> Result<(), DbErr> {
        // What is known to be lost is not asked.
        self.held.check(kind)?;
        let backend = ConnectionTrait::get_database_backend(&self.inner);
        let Some(question) = is_transaction_over(backend) else {
            return Ok(());
        };
        let mut asked = self.ask(backend, question, kind).await;
        // A savepoint that was dropped is undone by what comes next, and one that is gone with its transaction answers so.
        if let Err(err) = &asked
            && self.held.is_answer(err)
        {
            self.held.note_undone(err);
            self.held.check(kind)?;
            asked = self.ask(backend, question, kind).await;
        }
        let row = asked.map_err(|err| self.held.typed(err, kind, Ran::Other))?;
        let over = match row {
            Some(row) => row.try_get_by_index::<Option<i64>>(0)?,
            None => None,
        };
        self.held.is_told(err, over == Some(1));
        Ok(())
    }

    async fn ask(
        &self,
        backend: DbBackend,
        question: &str,
        kind: DbErrKind,
    ) -> Result<Option<QueryResult>, DbErr> {
        let question = Statement::from_string(backend, question);
        let asked = self.held.lease().guard(self.inner.query_one_raw(question));
        asked.await.unwrap_or_else(|cut| Err(cut.into_db(kind)))
    }
}
