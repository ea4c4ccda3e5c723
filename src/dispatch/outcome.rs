//! What a statement's end means: for its text, for the node, and for another attempt.

use sea_orm::DbErr;

use super::{Attempt, unavailable::Obstacle};
use crate::{
    error::{DbErrKind, Error},
    intent::Summary,
    metrics::{ClusterCounter, NodeCounter},
    node::Lease,
    route::{
        Ask, Refusal,
        retry::{self, Crash},
        safety,
    },
    signal::{self, Signal},
    state::Ran,
    vocabulary::{Intent, Outcome, Stage},
};

impl Attempt<'_> {
    /// The statement ran.
    pub(crate) fn succeeded(&mut self, sql: &str) {
        self.saw();
        if let Some(refusal) = self.refused
            && safety::corrects(refusal, true)
        {
            self.shared.count(ClusterCounter::Corrected);
            self.shared.judging.classifier.correct(sql);
        }
        if self.writes() {
            self.shared
                .schema_changed(&self.shared.judging.classifier.change(sql));
        }
    }

    /// The statement did not run as it should: `Ok` when it is to be tried again, else the error for the caller.
    pub(crate) async fn failed(
        &mut self,
        lease: &Lease,
        stage: Stage,
        err: DbErr,
        kind: DbErrKind,
    ) -> Result<(), DbErr> {
        let (stage, signal) = match Error::from_db_err(&err) {
            Some(Error::CutOff { .. }) => (stage, Signal::Cut),
            // As if its pool had been closed before there was a connection.
            Some(Error::GivenUp { .. }) => (Stage::Acquire, Signal::PoolClosed),
            _ => (stage, signal_of(lease, &err)),
        };
        let ran = self.ran(stage);
        self.sent |= ran != Ran::Nothing;
        self.shared.report(lease, stage, signal, ran);
        let mut failure = retry::Failure {
            kind: self.kind(),
            stage,
            signal,
            role: lease.role(),
            in_transaction: false,
            correctable: self.verdict.is_some_and(Summary::may_be_corrected),
            retries: self.retries,
            renewed: match lease.node().link.pool_size() {
                Some(_) => self.renewed,
                None => retry::MOST_RETRIES,
            },
            crash: Crash::No,
        };
        if let Some(write) = &mut self.write {
            // What was answered has ended, whatever it did; of the rest the server may be at it still.
            let unknown = retry::outcome(&failure) == Outcome::Unknown;
            write.set_lost(unknown && signal::code(&err).is_none());
        }
        if retry::may_have_crashed(&failure) {
            failure.crash = self.crash(lease, ran).await;
        }
        match retry::verdict(&failure) {
            retry::RetryVerdict::Again(again) if self.may_repeat(again, signal) => {
                self.prepare(again, lease, signal);
                self.last = Some(err);
                Ok(())
            }
            _ if failure.crash != Crash::No => Err(Error::ServerCrashed {
                node: lease.name(),
                source: err,
            }
            .into_db(kind)),
            retry::RetryVerdict::Again(_) => {
                Err(self.give(retry::outcome(&failure), lease, (stage, err), kind))
            }
            retry::RetryVerdict::Give(outcome) => {
                if signal == Signal::Outdated {
                    lease.node().forget_prepared();
                }
                Err(self.give(outcome, lease, (stage, err), kind))
            }
        }
    }

    fn may_repeat(&mut self, again: retry::Again, signal: Signal) -> bool {
        !self.shared.is_closed()
            && self.may_go_on()
            && (!again.costs(signal) || self.shared.admission.spend_retry(self.shared.now()))
    }

    fn prepare(&mut self, again: retry::Again, lease: &Lease, signal: Signal) {
        if again.costs(signal) {
            self.retries += 1;
            lease.metrics().retry(signal.cause());
        }
        match again {
            retry::Again::Elsewhere => self.tried.add(lease.node().id),
            // The pool was closed by a change that may not have been seen yet: the node is no candidate until then.
            retry::Again::NewSnapshot => self.tried.add(lease.node().id),
            retry::Again::SameNode => {}
            retry::Again::Renewed => {
                self.renewed += 1;
                // The connections that nobody has now have the same prepared.
                lease.node().forget_prepared();
            }
            retry::Again::AfterProbe => self.doubted = Some(lease.node().id),
            retry::Again::Primary => {
                self.refused = Some(signal);
                if safety::corrects(signal, false)
                    && let Some(sql) = self.sql
                {
                    self.shared.judging.classifier.correct(sql);
                }
                // Routed anew, it goes through the gate as a write.
            }
        }
    }

    /// The error for the caller. What a server answered passes unchanged; a write of which nobody knows says so.
    fn give(
        &self,
        outcome: Outcome,
        lease: &Lease,
        (stage, err): (Stage, DbErr),
        kind: DbErrKind,
    ) -> DbErr {
        let reads = self.ask.intent() == Intent::Read;
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
        let begins = match self.ask {
            Ask::Begin | Ask::BeginReadOnly => true,
            Ask::Statement { .. } => false,
        };
        begins
            && stage != Stage::Acquire
            && signal::code(err).is_none()
            && signal::of_db_err(err, lease.role()).ends_connection()
    }

    fn kind(&self) -> retry::SentKind {
        match self.ask {
            Ask::Begin => retry::SentKind::Begin { read_only: false },
            Ask::BeginReadOnly => retry::SentKind::Begin { read_only: true },
            Ask::Statement {
                intent: Intent::Read,
                ..
            } => retry::SentKind::Read,
            // Judged only now that it failed: a text handed to `execute` was not.
            Ask::Statement { .. } => match self
                .sql
                .map(|sql| self.shared.judging.classifier.verdict(sql).is_plain())
            {
                Some(true) => retry::SentKind::Plain,
                Some(false) | None => retry::SentKind::Opaque,
            },
        }
    }

    pub(super) fn refused(&mut self, refusal: Refusal) -> Error {
        let nodes = self.shared.snapshot.describe();
        match refusal {
            Refusal::NotARead { reason } => Error::NotARead {
                intent: self.ask.intent(),
                reason,
            },
            Refusal::NoReplica => Error::NoReplica {
                nodes,
                sent: self.sent,
            },
            Refusal::KeptBack => self.kept_back(),
            Refusal::TooManyWaiting { .. } => {
                self.shared.count(ClusterCounter::Refused);
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

impl Ask {
    pub(super) fn intent(self) -> Intent {
        match self {
            Self::Statement { intent, .. } => intent,
            Self::BeginReadOnly => Intent::Read,
            Self::Begin => Intent::Write,
        }
    }

    /// Whether its return pins reads. A statement that only asks for the primary may still call what writes.
    pub(super) fn may_write(self) -> bool {
        match self {
            Self::Statement { intent, .. } => intent != Intent::Read,
            Self::BeginReadOnly | Self::Begin => false,
        }
    }
}
