//! What a statement in a transaction is, before it is sent.

use std::{sync::atomic::Ordering, time::Instant};

use sea_orm::{AccessMode, DbErr, TransactionOptions};

use super::TransactionState;
use crate::{
    error::{DbErrKind, Error},
    state::{Ran, TextHash},
    vocabulary::{Intent, Reason, Role},
};

impl TransactionState {
    /// Notes what the text says of the schema, and on a replica refuses what is not proven to be a read there (rule
    /// R6). What it is, for when its connection breaks.
    ///
    /// The servers' own guards were not enough: a standby grants locks, and lets `dblink` and `COPY … TO PROGRAM` act.
    pub(in crate::connection::transaction) async fn judge(
        &self,
        sql: &str,
        kind: DbErrKind,
    ) -> Result<Ran, DbErr> {
        self.check(kind)?;
        let root = &self.root;
        if let Some(kept) = self.kept_back(sql).await {
            return Err(kept.into_db(kind));
        }
        let classifier = root.reads.classifier(&root.shared);
        if root.lease.role() != Role::Replica {
            self.note_declaration(sql, classifier).await;
            root.marks.note_change(classifier.change(sql));
            if classifier.may_end_transaction(sql) {
                root.marks.may_have_ended.store(true, Ordering::Release);
            }
            return Ok(Ran::Other);
        }
        let read = Ran::Read(TextHash::of(sql));
        let verdict = classifier.verdict(sql);
        if verdict.intent == Intent::Read {
            return Ok(read);
        }
        if classifier.belongs_inside(sql) {
            return Ok(Ran::Other);
        }
        let limit = Instant::now() + root.shared.config.route_timeout;
        let settled = root.shared.settled_verdict(classifier, sql, verdict, limit);
        let verdict = settled.await;
        match verdict.intent {
            Intent::Read => Ok(read),
            intent => Err(self.only_reads(intent, verdict.reason, kind)),
        }
    }

    /// Why a text that may have crashed a server is not run here (rule R5). Where nobody has told yet whether one crashed,
    /// that is waited for: a connection that broke is no crash.
    async fn kept_back(&self, sql: &str) -> Option<Error> {
        let shared = &self.root.shared;
        let begun = Instant::now();
        let text = {
            let snapshot = shared.snapshot.load();
            let classifier = self.root.reads.classifier(shared);
            let reads = || classifier.verdict(sql).intent == Intent::Read;
            (snapshot.view.any_suspect && reads()).then(|| TextHash::of(sql))?
        };
        let mut changed = shared.snapshot.subscribe();
        let told = async {
            loop {
                changed.borrow_and_update();
                let asking = shared.snapshot.load().view.is_asking_about(text);
                if !asking || shared.is_closed() || changed.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(shared.config.check_timeout, told).await;
        let snapshot = shared.snapshot.load();
        let barred = snapshot.view.spares(text).bars(self.lease().role());
        let suspect = snapshot.view.suspects(text).next().filter(|_| barred)?;
        Some(Error::KeptBack {
            node: suspect.name.to_string(),
            waited: begun.elapsed(),
            sent: false,
        })
    }

    /// A savepoint on a replica that is declared to write is refused before it can poison the transaction.
    pub(in crate::connection::transaction) fn may_nest(
        &self,
        options: &TransactionOptions,
    ) -> Result<(), DbErr> {
        let writes = options.access_mode == Some(AccessMode::ReadWrite);
        match writes && self.root.lease.role() == Role::Replica {
            true => Err(self.only_reads(Intent::Write, Reason::Write, DbErrKind::Exec)),
            false => Ok(()),
        }
    }

    fn only_reads(&self, intent: Intent, reason: Reason, kind: DbErrKind) -> DbErr {
        let node = self.root.lease.name();
        Error::OnlyReads {
            node,
            intent,
            reason,
        }
        .into_db(kind)
    }
}
