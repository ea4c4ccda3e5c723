//! A span that somebody wants, or a statement that is measured.

use std::time::{Duration, Instant};

use tracing::{Level, Span, level_filters::LevelFilter};

use super::{
    beginning::SpanBeginning,
    destination::Destination,
    failure::StatementFailure,
    measured::{Measured, MeasuredUse},
    subject::Subject,
};
use crate::{
    cluster::shared::Shared,
    node::Lease,
    vocabulary::{Intent, Reason},
};

pub(super) struct Active {
    pub(super) span: Span,
    /// The rows that were given, where that is known.
    pub(super) rows: Option<u64>,
    /// The first of the answer is there.
    pub(super) answered: bool,
    begun: Instant,
    to: Option<Destination>,
    measured: Option<Measured>,
}

impl Active {
    /// Nothing where nobody wants to know.
    pub(super) fn begin(shared: &Shared, subject: Subject<'_>) -> Option<Box<Self>> {
        let meters = shared.telemetry.otel.meters.get();
        // Before any subscriber is there the macro works its values out for a log of the crate `log`.
        let may_listen = Level::INFO <= LevelFilter::current();
        if !may_listen && meters.is_none() {
            return None;
        }
        let beginning = SpanBeginning::of(shared, subject);
        let span = match may_listen {
            true => beginning.span(subject),
            false => Span::none(),
        };
        if span.is_disabled() && meters.is_none() {
            return None;
        }
        Some(Box::new(Self {
            measured: meters.map(|meters| Measured::begin(meters, &beginning)),
            span,
            rows: None,
            answered: false,
            begun: Instant::now(),
            to: None,
        }))
    }

    pub(super) fn goes_to(&mut self, lease: &Lease, intent: Option<Intent>, reason: Reason) {
        self.to = Some(Destination::of(lease, intent, reason));
    }

    pub(super) fn connected(&mut self, waited: Duration) {
        if let Some(measured) = &mut self.measured {
            measured.connected(waited, self.to.as_ref());
        }
    }

    /// The connection goes on being used when the statement is over.
    pub(super) fn take_use(&mut self) -> Option<MeasuredUse> {
        self.measured.as_mut()?.take_use()
    }

    /// Says what came of it. Each attribute is recorded once: a second value would stand beside the first.
    pub(super) fn end(mut self, failure: Option<&StatementFailure>) {
        let took = self.begun.elapsed();
        let span = &self.span;
        if !span.is_disabled() {
            if let Some(to) = &self.to {
                to.record(span);
            }
            if let Some(StatementFailure { kind, code }) = failure {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", &**kind);
                if let Some(code) = code {
                    span.record("db.response.status_code", &**code);
                }
            }
        }
        if let Some(measured) = self.measured.take() {
            measured.end(took, self.to.as_ref(), self.rows, failure);
        }
    }
}
