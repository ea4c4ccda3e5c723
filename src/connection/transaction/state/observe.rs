//! What is told of one statement of a transaction: its span, and with its error the cluster's state.

use sea_orm::DbErr;

use super::TransactionState;
use crate::{
    node::run::CountsRows,
    span::{ConnectionUse, StatementSpan, Subject},
    vocabulary::Reason,
};

impl TransactionState {
    /// The span of a statement of this transaction, which begins now.
    pub(in crate::connection::transaction) fn span(&self, subject: Subject<'_>) -> StatementSpan {
        let mut span = StatementSpan::begin(&self.root.shared, subject);
        span.goes_to(self.lease(), None, Reason::Transaction);
        span
    }

    /// The connection is used until the transaction is over.
    pub(in crate::connection::transaction) fn keep_use(&self, used: ConnectionUse) {
        let _ = self.root.used.set(used);
    }

    /// Runs a statement inside of its span, which ends with it.
    pub(in crate::connection::transaction) async fn observe<T: CountsRows>(
        &self,
        mut span: StatementSpan,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        match span.entrance().run(work).await {
            Ok(done) => {
                span.gave(done.rows());
                span.succeeded();
                Ok(done)
            }
            Err(err) => Err(self.failed(&mut span, err)),
        }
    }

    /// An error of a statement that ends elsewhere tells of the cluster from here on.
    pub(in crate::connection::transaction) fn told<T>(
        &self,
        done: Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        done.inspect_err(|err| self.root.shared.add_report(err))
    }

    /// An error of a stream in it tells of the cluster.
    #[cfg(feature = "stream")]
    pub(in crate::connection) fn add_report(&self, err: &DbErr) {
        self.root.shared.add_report(err);
    }

    /// A statement has failed with this, which tells of the cluster from here on.
    #[cold]
    pub(in crate::connection) fn failed(&self, span: &mut StatementSpan, err: DbErr) -> DbErr {
        self.root.shared.add_report(&err);
        span.failed(&err);
        err
    }
}
