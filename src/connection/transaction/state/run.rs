//! One statement of a transaction: refused where it cannot run, sent once its node is fresh enough, and its error explained.

use std::{sync::atomic::Ordering, time::Instant};

use sea_orm::DbErr;

use super::{Armed, TransactionState};
use crate::{error::DbErrKind, signal, state::Ran};

impl TransactionState {
    /// Runs one statement of the transaction: on its node or not at all, never stale, and with a typed error when the
    /// connection is lost. A read takes a snapshot.
    pub(in crate::connection::transaction) async fn run<T>(
        &self,
        kind: DbErrKind,
        ran: Ran,
        work: impl Future<Output = Result<T, DbErr>> + Send,
    ) -> Result<T, DbErr> {
        self.check(kind)?;
        self.wait_until_fresh(kind).await?;
        let sent = Instant::now();
        // A future that is dropped leaves its answer, which may be an error, to whoever comes next.
        let doubt = Armed(Some(&self.root.marks.doubtful));
        let end = self.lease().guard(work).await;
        doubt.disarm();
        self.lease().metrics().ran(sent.elapsed());
        let err = match end {
            Ok(Ok(done)) => {
                self.root.reads.saw(&self.root.shared);
                if let Ran::Read(_) = ran {
                    self.root.reads.begun.store(true, Ordering::Release);
                }
                return Ok(done);
            }
            Ok(Err(err)) => {
                self.lease().metrics().failed();
                err
            }
            Err(cut) => cut.into_db(kind),
        };
        self.root.marks.doubtful.store(true, Ordering::Release);
        self.note_undone(&err);
        if signal::is_outdated(&err) {
            self.root.marks.outdated.store(true, Ordering::Release);
            #[cfg(feature = "postgres")]
            {
                let (node, config) = (self.lease().node(), &self.root.shared.config);
                Box::pin(node.look_for_pooler(config, &err)).await;
            }
        }
        Err(self.broke(err, kind, ran).await)
    }
}
