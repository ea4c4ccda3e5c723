//! What a statement's end means: for its text, for the node, and for another attempt.

use sea_orm::DbErr;

use super::{Attempt, unavailable::Obstacle};
use crate::{
    error::{DbErrKind, Error},
    metrics::{ClusterCounter, NodeCounter},
    node::Lease,
    route::{
        Refusal,
        retry::{self, Crash, RetryVerdict, SentKind},
        safety,
    },
    signal::{self, Signal},
    state::Ran,
    vocabulary::{Intent, Outcome, Stage},
};

/// A statement that failed, and how far it had come.
pub(crate) struct Failed {
    pub(crate) stage: Stage,
    pub(crate) err: DbErr,
    /// In a transaction of its own, whose COMMIT was not sent.
    in_transaction: bool,
}

impl Failed {
    /// There was no connection to send it on.
    pub(crate) fn to_acquire(err: DbErr) -> Self {
        Self::at(Stage::Acquire, err)
    }

    /// A statement that had come so far.
    pub(crate) fn at(stage: Stage, err: DbErr) -> Self {
        Self {
            stage,
            err,
            in_transaction: false,
        }
    }

    /// The statement, which may write, was sent in a transaction of its own, and nothing of it was committed.
    pub(crate) fn uncommitted(err: DbErr) -> Self {
        Self {
            in_transaction: true,
            ..Self::at(Stage::Send, err)
        }
    }

    /// The statement was handed to a connection.
    pub(crate) fn sent(err: DbErr) -> Self {
        Self::at(Stage::Send, err)
    }
}

impl Attempt<'_> {
    /// A verdict that a replica refused, and that the primary bore out by running the text, is corrected (rule I6).
    pub(super) fn note_correction(&self, sql: &str) {
        let shared = self.request.shared;
        if let Some(refusal) = self.progress.refused
            && safety::corrects(refusal, true)
        {
            shared.count(ClusterCounter::Corrected);
            self.request.classifier().correct(sql);
        }
    }

    /// The statement did not run as it should: `Ok` when it is to be tried again, else the error for the caller.
    pub(super) async fn failed(
        &mut self,
        lease: &Lease,
        failed: Failed,
        kind: DbErrKind,
    ) -> Result<(), DbErr> {
        self.retry_or_give(lease, failed, kind).await?;
        self.check_primary().await
    }

    async fn retry_or_give(
        &mut self,
        lease: &Lease,
        mut failed: Failed,
        kind: DbErrKind,
    ) -> Result<(), DbErr> {
        let (stage, signal) = match Error::from_db_err(&failed.err) {
            Some(Error::CutOff { .. }) => (failed.stage, Signal::Cut),
            // As if its pool had been closed before there was a connection.
            Some(Error::GivenUp { .. }) => (Stage::Acquire, Signal::PoolClosed),
            _ => (failed.stage, signal_of(lease, &failed.err)),
        };
        failed.stage = stage;
        let signal = self.look_behind(lease, signal, &failed.err).await;
        let ran = self.ran(stage);
        self.progress.sent |= ran != Ran::Nothing;
        self.request.shared.report(lease, stage, signal, ran);
        lease.metrics().failed();
        let mut failure = retry::Failure {
            kind: self.sent_kind(),
            stage,
            signal,
            role: lease.role(),
            in_transaction: failed.in_transaction,
            correctable: self.classification.may_be_corrected(),
            retries: self.progress.retries,
            renewed: match lease.node().link.pool_size() {
                Some(_) => self.progress.renewed,
                None => retry::MOST_RETRIES,
            },
            crash: Crash::No,
        };
        if let Some(write) = &mut self.guards.write {
            // What was answered has ended, whatever it did; of the rest the server may be at it still.
            let unknown = retry::outcome(&failure) == Outcome::Unknown;
            write.set_unresolved(unknown && signal::code(&failed.err).is_none());
        }
        if retry::may_have_crashed(&failure) {
            failure.crash = self.ask_for_crash(lease, ran).await;
        }
        match retry::verdict(&failure) {
            RetryVerdict::Retry(to) if self.may_retry(to, signal) => {
                self.prepare(to, lease, signal);
                self.progress.last = Some(failed.err);
                Ok(())
            }
            _ if failure.crash != Crash::No => Err(Error::ServerCrashed {
                node: lease.name(),
                source: failed.err,
            }
            .into_db(kind)),
            RetryVerdict::Retry(_) => Err(self.give(retry::outcome(&failure), lease, failed, kind)),
            RetryVerdict::Give(outcome) => {
                if signal == Signal::Outdated {
                    lease.node().forget_prepared();
                }
                Err(self.give(outcome, lease, failed, kind))
            }
        }
    }

    /// The signal of an error, or what that means where a pooler turns out to be the reason (rule I8).
    async fn look_behind(&self, lease: &Lease, signal: Signal, err: &DbErr) -> Signal {
        #[cfg(feature = "postgres")]
        if let Signal::Outdated | Signal::Server = signal {
            let config = &self.request.shared.config;
            // In a future of its own, so that others are no larger for it.
            return match Box::pin(lease.node().look_for_pooler(config, err)).await {
                true => Signal::Outdated,
                false => signal,
            };
        }
        let _ = (lease, err);
        signal
    }

    /// What was sent, as far as a retry goes.
    fn sent_kind(&self) -> SentKind {
        if self.classification.begins {
            let read_only = self.classification.begins_read_only();
            return SentKind::Begin { read_only };
        }
        if self.classification.intent == Intent::Read {
            return SentKind::Read;
        }
        // Judged only now that it failed: a text handed to `execute` was not.
        let classifier = self.request.classifier();
        match self.request.sql.map(|sql| classifier.verdict(sql)) {
            Some(judged) if judged.is_plain() => SentKind::Plain,
            Some(_) | None => SentKind::Opaque,
        }
    }

    /// Whether a statement may be sent again; a retry that costs is paid for with that.
    fn may_retry(&self, to: retry::RetryTo, signal: Signal) -> bool {
        let shared = self.request.shared;
        !shared.is_closed()
            && self.timing.may_go_on(&self.request)
            && (!to.costs(signal) || shared.admission.spend_retry(shared.now()))
    }

    fn prepare(&mut self, to: retry::RetryTo, lease: &Lease, signal: Signal) {
        let progress = &mut self.progress;
        if to.costs(signal) {
            progress.retries += 1;
            lease.metrics().retry(signal.cause());
        }
        match to {
            retry::RetryTo::Elsewhere => progress.tried.add(lease.node().id),
            // The pool was closed by a change that may not have been seen yet: the node is no candidate until then.
            retry::RetryTo::NewSnapshot => progress.tried.add(lease.node().id),
            retry::RetryTo::SameNode => {}
            retry::RetryTo::Renewed => {
                progress.renewed += 1;
                // The connections that nobody has now have the same prepared.
                lease.node().forget_prepared();
            }
            retry::RetryTo::AfterProbe => progress.to_probe = Some(lease.node().id),
            retry::RetryTo::Primary => {
                progress.refused = Some(signal);
                if safety::corrects(signal, false)
                    && let Some(sql) = self.request.sql
                {
                    self.request.classifier().correct(sql);
                }
                // Routed anew, it goes through the gate as a write.
            }
        }
    }

    /// The error for the caller. What a server answered passes unchanged; a write of which nobody knows says so.
    fn give(&self, outcome: Outcome, lease: &Lease, failed: Failed, kind: DbErrKind) -> DbErr {
        let Failed {
            stage,
            err,
            in_transaction,
        } = failed;
        if in_transaction
            && outcome == Outcome::NotExecuted
            && signal_of(lease, &err).ends_connection()
        {
            return Error::TransactionLost {
                node: lease.name(),
                source: err,
            }
            .into_db(kind);
        }
        let reads = self.classification.intent == Intent::Read;
        // An error answer to an opaque text leaves open what the text did before (T9), but the answer is the server's,
        // and callers read its code; only where the connection went with it is there nothing to read.
        let answered = signal::code(&err).is_some() && !signal_of(lease, &err).ends_connection();
        if self.lost_its_begin(lease, stage, &err) {
            return self
                .at_node(lease.node(), stage, Obstacle::said(err))
                .into_db(kind);
        }
        if outcome != Outcome::Unknown || reads || answered {
            return self.unavailable(lease, stage, err);
        }
        lease.metrics().count(NodeCounter::UnknownOutcome);
        if Error::from_db_err(&err).is_some() {
            return err;
        }
        Error::UnknownOutcome {
            node: lease.name(),
            stage,
            source: err,
        }
        .into_db(kind)
    }

    /// SeaORM takes the connection and begins in one call, so a connection that broke looks like a statement that did,
    /// although nothing of the caller's was sent. What a server answered is its own.
    fn lost_its_begin(&self, lease: &Lease, stage: Stage, err: &DbErr) -> bool {
        self.classification.begins
            && stage != Stage::Acquire
            && signal::code(err).is_none()
            && signal::of_db_err(err, lease.role()).ends_connection()
    }

    pub(super) fn refused(&mut self, refusal: Refusal) -> Error {
        let shared = self.request.shared;
        let nodes = shared.snapshot.describe();
        match refusal {
            Refusal::NotARead { reason } => Error::NotARead {
                intent: self.classification.intent,
                reason,
            },
            Refusal::NoReplica => Error::NoReplica {
                nodes,
                sent: self.progress.sent,
            },
            Refusal::KeptBack => self.kept_back(),
            Refusal::TooManyWaiting { .. } => {
                shared.count(ClusterCounter::Refused);
                self.at_no_node(Obstacle::of_ours(refusal.to_string()))
            }
        }
    }
}

/// What the error means on this node. The state of the connection outweighs what its code may mean.
fn signal_of(lease: &Lease, err: &DbErr) -> Signal {
    match Error::from_db_err(err) {
        Some(Error::CutOff { .. }) => Signal::Cut,
        _ if lease.lives() => Signal::Server,
        _ => signal::of_db_err(err, lease.role()),
    }
}
