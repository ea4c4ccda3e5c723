//! The one loop that a query, a stream and a begin go through: decide, take a connection, send, and begin again where it is
//! certain that nothing was executed.
//!
//! What differs between the three is a [`Work`]; what is the same for all is the [`Attempt`], from the request's arrival to
//! its end. A decision ([`decide`]) is pure and asks one snapshot; everything here that waits has a budget of its own
//! ([`phase`]).

mod acquire;
mod crash;
mod decide;
mod finish_in_background;
mod freshness;
mod guards;
mod monotonic_read;
mod mutant;
mod outcome;
mod phase;
mod preview;
mod progress;
mod queue;
mod request;
mod stale;
mod unavailable;
mod verify_position;
mod wait;

use std::sync::Arc;

use sea_orm::DbErr;

#[cfg(feature = "bench")]
pub(crate) use self::preview::decide_once;
pub(crate) use self::{
    finish_in_background::FinishInBackground,
    outcome::Failed,
    preview::preview,
    request::{Overrides, classify},
    unavailable::asking_why,
    verify_position::Reads,
};
use self::{
    freshness::Freshness, guards::Guards, phase::Timing, progress::Progress, request::Request,
};
use crate::{
    causality::Stood,
    cluster::shared::Shared,
    error::{DbErrKind, Error},
    intent::Classification,
    node::{
        Lease,
        local::{LocalAccess, LocalSettings},
    },
    route::{Forced, Refusal},
    signal,
    span::{StatementSpan, Subject},
    vocabulary::{Consistency, Intent, Reason, Stage},
};

/// What is sent, and what becomes of it: a query, a stream, a begin.
pub(crate) trait Work: Sync {
    /// What sending it gives.
    type Sent: Send;
    /// What its caller gets.
    type Output;
    /// Which of SeaORM's error families its failures belong to.
    const KIND: DbErrKind;

    /// What the work is judged to be when it arrives.
    fn classify(&self, shared: &Shared, overrides: &Overrides) -> Classification;

    /// The statement's text; none for a begin.
    fn sql(&self) -> Option<&str>;

    /// What its span is of.
    fn subject(&self) -> Subject<'_>;

    /// Sends it once, to the leased node or to the first of them that has a place: the lease is on that one then. Nothing
    /// where that node turned out not to be one for it, and nothing was sent.
    fn send(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &mut Lease,
    ) -> impl Future<Output = Result<Option<Self::Sent>, Failed>> + Send;

    /// The work was sent and is answered.
    fn done(&self, attempt: &mut Attempt<'_>, lease: Lease, sent: Self::Sent) -> Self::Output;

    /// The work failed at this stage, and is not sent again.
    fn give_up(&self, lease: &Lease, stage: Stage, err: DbErr) -> Result<Self::Output, DbErr> {
        let _ = (lease, stage);
        Err(err)
    }
}

/// Sends the work where it belongs, and again elsewhere when it is certain that it was not executed.
pub(crate) async fn run<W: Work>(
    shared: &Arc<Shared>,
    overrides: &Overrides,
    work: &W,
) -> Result<W::Output, DbErr> {
    let span = StatementSpan::begin(shared, work.subject());
    let entrance = span.entrance();
    entrance.run(run_in(span, shared, overrides, work)).await
}

/// A statement that its handle refuses before it is one.
#[cold]
pub(crate) fn refuse(shared: &Shared, subject: Subject<'_>, err: DbErr) -> DbErr {
    let mut span = StatementSpan::begin(shared, subject);
    shared.add_report(&err);
    span.failed(&err);
    err
}

async fn run_in<W: Work>(
    span: StatementSpan,
    shared: &Arc<Shared>,
    overrides: &Overrides,
    work: &W,
) -> Result<W::Output, DbErr> {
    let classification = work.classify(shared, overrides);
    let mut attempt = Attempt::new(shared, overrides, classification, work.sql());
    attempt.span = span;
    attempt.settle_verdict().await;
    loop {
        let mut lease = match attempt.lease().await {
            Ok(lease) => lease,
            Err(err) => return Err(attempt.fails(err.into_db(W::KIND))),
        };
        attempt.goes_to(&lease);
        let sent = work.send(&mut attempt, &mut lease).await;
        // It may have found its connection elsewhere.
        attempt.goes_to(&lease);
        let failed = match sent {
            Ok(Some(sent)) => {
                let done = work.done(&mut attempt, lease, sent);
                attempt.span.succeeded();
                return Ok(done);
            }
            Ok(None) => continue,
            Err(failed) => failed,
        };
        let stage = failed.stage;
        if let Err(err) = attempt.failed(&lease, failed, W::KIND).await {
            let err = attempt.fails(err);
            return work.give_up(&lease, stage, err);
        }
    }
}

/// One request on its way to its end.
pub(crate) struct Attempt<'a> {
    request: Request<'a>,
    /// A later verdict takes the place of an earlier one.
    classification: Classification,
    freshness: Freshness,
    progress: Progress,
    timing: Timing,
    guards: Guards,
    pub(crate) span: StatementSpan,
}

impl<'a> Attempt<'a> {
    #[inline]
    fn new(
        shared: &'a Arc<Shared>,
        overrides: &'a Overrides,
        classification: Classification,
        sql: Option<&'a str>,
    ) -> Self {
        let (current, level) = (overrides.current(shared), overrides.level(shared));
        let stood = match classification.begins_read_only() {
            true => current.stands(&shared.clock),
            false => Stood::default(),
        };
        // Before the need is: a bookmark that another task settles meanwhile is in one of the two.
        let has_rest = current.has_rest(&shared.clock);
        let freshness = Freshness::at_arrival(shared, &current, level, classification.intent);
        let unseen = level != Consistency::Eventual
            && classification.intent == Intent::Read
            && shared.tracker.has_unseen(&current);
        Self {
            request: Request {
                shared,
                overrides,
                sql,
                current,
                level,
                stood,
                has_rest,
                unseen,
            },
            classification,
            freshness,
            progress: Progress::default(),
            timing: Timing::default(),
            guards: Guards::default(),
            span: StatementSpan::default(),
        }
    }

    /// The statement goes to this node.
    fn goes_to(&mut self, lease: &Lease) {
        let reason = match self.progress.refused {
            Some(_) => Reason::Corrected,
            None => self.progress.reason,
        };
        self.span
            .goes_to(lease, Some(self.classification.intent), reason);
    }

    /// The statement is given up with this error, which tells of the cluster from here on.
    #[cold]
    fn fails(&mut self, err: DbErr) -> DbErr {
        self.request.shared.add_report(&err);
        self.span.failed(&err);
        err
    }

    /// A lease on the node it goes to next, waiting for one within the deadline.
    async fn lease(&mut self) -> Result<Lease, Error> {
        if self.request.has_rest {
            self.settle_bookmarks().await?;
        }
        // Over all looks: whoever began to wait anew with each would have the replicas asked at each.
        let mut waiting = None;
        loop {
            match self.decide() {
                NextMove::Go(lease) => return Ok(lease),
                NextMove::Wait => self.wait(&mut waiting).await?,
                NextMove::Stale => self.wait_until_fresh().await?,
                NextMove::Paused => self.wait_for_gate().await?,
                NextMove::Refuse(refusal) => return Err(self.refused(refusal)),
            }
        }
    }

    /// Whether the statement may write.
    fn may_write(&self) -> bool {
        self.classification.may_write() || self.progress.refused.is_some()
    }

    /// The statement ran.
    pub(crate) fn succeeded(&mut self) {
        if !self.may_write() {
            self.freshness.end_read(&self.request);
            return;
        }
        let (shared, Some(sql)) = (self.request.shared, self.request.sql) else {
            return;
        };
        self.note_correction(sql);
        shared.schema_changed(&shared.judging.classifier.change(sql));
    }

    /// The settings that it has to find set.
    pub(crate) fn local(&self) -> Option<&'a Arc<LocalSettings>> {
        self.request.overrides.local.as_ref()
    }

    /// What begins the transaction of its own that it has there: its handle's settings; of a read that may miss anything what
    /// lets a follower serve it, where the system has that (T18).
    #[inline]
    pub(crate) fn own_transaction(&self, lease: &Lease) -> Option<&'a Arc<LocalSettings>> {
        let own = self.local();
        match own.is_none() && self.request.level == Consistency::Eventual {
            true => self.follower_read(lease),
            false => own,
        }
    }

    fn follower_read(&self, lease: &Lease) -> Option<&'a Arc<LocalSettings>> {
        let begin = self.request.shared.follower_reads.as_ref()?;
        let overrides = self.request.overrides;
        // Whoever names the primary or an age wants it newer than a follower may be.
        let may_miss = overrides.force != Forced::Primary
            && overrides.max_lag.is_none()
            && !self.progress.followers_refused;
        let reads = self.classification.intent == Intent::Read && !self.may_write();
        let link = &lease.node().link;
        // A pooler's transactions begin in another way, and the application's connections are not asked.
        let plain = !link.needs_blocks() && !link.is_shared() && lease.node().direct.is_some();
        (may_miss && reads && plain).then_some(begin)
    }

    /// After an error in a transaction of its own: whether its server refused that a follower serves the read, which runs as
    /// any other then. It was tried at the start, on some node, and a version or a licence may be another one there and now.
    pub(crate) fn is_refused_followers(&mut self, err: &DbErr) -> bool {
        let ours = Error::from_db_err(err);
        let answered =
            signal::code(err).is_some() || matches!(ours, Some(Error::LocalSetting { .. }));
        let refused = answered && self.local().is_none() && !self.progress.followers_refused;
        self.progress.followers_refused |= refused;
        refused
    }

    /// The access of a transaction of its own: a text that is a read by all that is known writes nothing.
    pub(crate) fn local_access(&self) -> LocalAccess {
        match self.may_write() {
            true => LocalAccess::Write,
            false => LocalAccess::ReadOnly,
        }
    }

    pub(crate) fn shared(&self) -> &'a Arc<Shared> {
        self.request.shared
    }
}

/// What a decision came to.
pub(super) enum NextMove {
    Go(Lease),
    Wait,
    /// No replica is known to be fresh enough, and it may wait for one.
    Stale,
    /// Writes are held back.
    Paused,
    Refuse(Refusal),
}
