//! One span for one logical statement, whatever it takes to have it executed: what OpenTelemetry's conventions for database
//! clients ask for (feature `otel`).
//!
//! A span begins where a statement is called and ends with its answer; attempts, waits and changes of the node are inside. Its
//! peer is the node that had it last. Without the feature all of this is nothing, and with it nothing is allocated unless
//! somebody listens.
//!
//! Whoever tests an application records the same statements (feature `testing`).
//!
//! Spans are `tracing`'s and not OpenTelemetry's own: whoever uses SeaORM has that crate already, its context is where the
//! application's spans are, and a log shows them as well.

#[cfg(feature = "otel")]
mod active;
#[cfg(feature = "otel")]
mod beginning;
#[cfg(feature = "otel")]
mod destination;
#[cfg(feature = "otel")]
mod failure;
#[cfg(feature = "otel")]
mod inside;
#[cfg(feature = "otel")]
mod measured;
#[cfg(not(feature = "testing"))]
#[path = "span/no_record.rs"]
mod record;
#[cfg(feature = "testing")]
mod record;
mod subject;

use sea_orm::DbErr;

use self::record::Record;
#[cfg(feature = "testing")]
pub use self::record::RoutedStatement;
#[cfg(feature = "testing")]
pub(crate) use self::record::{Recorders, StatementRecorder};
pub(crate) use self::subject::Subject;
#[cfg(feature = "otel")]
use self::{active::Active, failure::StatementFailure};
#[cfg(feature = "otel")]
pub(crate) use self::{inside::is_inside, subject::TARGET};
use crate::{
    cluster::shared::Shared,
    node::Lease,
    vocabulary::{Intent, Reason},
};

/// The span of one statement, if anybody wants it. Dropped before its end, it says that its caller went away.
#[derive(Default)]
pub(crate) struct StatementSpan {
    #[cfg(feature = "otel")]
    active: Option<Box<Active>>,
    record: Record,
}

/// A connection that is used until this is dropped.
#[cfg(not(feature = "otel"))]
pub(crate) struct ConnectionUse;

/// A connection that is used until this is dropped, if anybody measures that.
#[cfg(feature = "otel")]
pub(crate) struct ConnectionUse(
    #[expect(dead_code, reason = "held for what its drop does")] Option<measured::MeasuredUse>,
);

/// The way into a span.
#[cfg(not(feature = "otel"))]
pub(crate) struct Entrance;

/// The way into a span, if there is one.
#[cfg(feature = "otel")]
pub(crate) struct Entrance(Option<tracing::Span>);

impl Entrance {
    /// Runs it inside.
    #[cfg(not(feature = "otel"))]
    #[inline]
    pub(crate) fn run<F: Future>(self, work: F) -> F {
        work
    }

    /// Runs it inside.
    #[cfg(feature = "otel")]
    pub(crate) fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> + use<F> {
        inside::around(self.0, work)
    }
}

#[cfg(not(feature = "otel"))]
#[expect(clippy::unused_self, reason = "as with the feature")]
impl StatementSpan {
    #[inline]
    pub(crate) fn begin(shared: &Shared, subject: Subject<'_>) -> Self {
        Self {
            record: Record::begin(shared, subject),
        }
    }

    #[inline]
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance
    }

    /// One step of a stream.
    #[cfg(feature = "stream")]
    #[inline]
    pub(crate) fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        step()
    }

    /// The statement goes to this node.
    #[inline]
    pub(crate) fn goes_to(&mut self, lease: &Lease, intent: Option<Intent>, reason: Reason) {
        self.record.goes_to(lease, intent, reason);
    }

    /// The statement has a connection, for which it waited so long.
    #[inline]
    pub(crate) fn connected(&mut self, _: std::time::Duration) {}

    /// The statement gave so many rows.
    #[inline]
    pub(crate) fn gave(&mut self, _: Option<u64>) {}

    /// The connection of a transaction that has begun.
    #[inline]
    pub(crate) fn take_use(&mut self) -> ConnectionUse {
        ConnectionUse
    }

    /// What ends it goes on elsewhere.
    #[cfg(feature = "stream")]
    #[inline]
    pub(crate) fn hand_over(&mut self) -> Self {
        Self {
            record: std::mem::take(&mut self.record),
        }
    }

    #[inline]
    pub(crate) fn succeeded(&mut self) {}

    #[inline]
    pub(crate) fn failed(&mut self, err: &DbErr) {
        self.record.failed(err);
    }
}

#[cfg(feature = "otel")]
impl StatementSpan {
    #[inline]
    pub(crate) fn begin(shared: &Shared, subject: Subject<'_>) -> Self {
        Self {
            active: Active::begin(shared, subject),
            record: Record::begin(shared, subject),
        }
    }

    /// The way into it, for what runs the statement.
    pub(crate) fn entrance(&self) -> Entrance {
        Entrance(self.active.as_ref().map(|active| active.span.clone()))
    }

    /// One step of a stream.
    #[cfg(feature = "stream")]
    pub(crate) fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        match &self.active {
            Some(active) => inside::enter(&active.span, step),
            None => step(),
        }
    }

    /// The statement goes to this node; inside of a transaction nobody has judged what it needs.
    pub(crate) fn goes_to(&mut self, lease: &Lease, intent: Option<Intent>, reason: Reason) {
        self.record.goes_to(lease, intent, reason);
        if let Some(active) = &mut self.active {
            active.goes_to(lease, intent, reason);
        }
    }

    /// The statement has a connection, for which it waited so long.
    pub(crate) fn connected(&mut self, waited: std::time::Duration) {
        if let Some(active) = &mut self.active {
            active.connected(waited);
        }
    }

    /// The connection of a transaction that has begun.
    pub(crate) fn take_use(&mut self) -> ConnectionUse {
        let active = self.active.as_mut();
        ConnectionUse(active.and_then(|active| active.take_use()))
    }

    /// The statement gave so many rows.
    pub(crate) fn gave(&mut self, rows: Option<u64>) {
        if let Some(active) = &mut self.active {
            active.rows = rows;
        }
    }

    /// What ends it goes on elsewhere. From here on it has an answer: whoever drops the rest has not failed.
    #[cfg(feature = "stream")]
    pub(crate) fn hand_over(&mut self) -> Self {
        let mut active = self.active.take();
        if let Some(active) = &mut active {
            active.answered = true;
        }
        Self {
            active,
            record: std::mem::take(&mut self.record),
        }
    }

    /// The statement is over.
    pub(crate) fn succeeded(&mut self) {
        if let Some(active) = self.active.take() {
            active.end(None);
        }
    }

    pub(crate) fn failed(&mut self, err: &DbErr) {
        self.record.failed(err);
        if let Some(active) = self.active.take() {
            let failure = StatementFailure::of(err);
            active.end(Some(&failure));
        }
    }
}

impl StatementSpan {
    /// The statement is over, well or not.
    #[inline]
    pub(crate) fn ended<T>(&mut self, done: &Result<T, DbErr>) {
        match done {
            Ok(_) => self.succeeded(),
            Err(err) => self.failed(err),
        }
    }
}

#[cfg(feature = "otel")]
impl Drop for StatementSpan {
    fn drop(&mut self) {
        if let Some(active) = self.active.take() {
            let failure = (!active.answered).then(StatementFailure::cancelled);
            active.end(failure.as_ref());
        }
    }
}
