//! What is said of a statement from its beginning, and the span that says it.

use std::sync::Arc;

use sea_orm::DbBackend;
use tracing::{Span, field::Empty};

use super::subject::{Subject, TARGET};
use crate::cluster::{otel::Otel, shared::Shared};

/// What is said of a statement from its beginning.
pub(super) struct SpanBeginning<'a> {
    pub(super) otel: &'a Otel,
    pub(super) system: &'static str,
    pub(super) summary: Option<Arc<str>>,
    pub(super) operation: Option<&'static str>,
}

impl<'a> SpanBeginning<'a> {
    pub(super) fn of(shared: &'a Shared, subject: Subject<'_>) -> Self {
        let otel = &shared.telemetry.otel;
        let (summary, operation) = match subject {
            Subject::Text { sql, .. } => (otel.summaries.of(sql), None),
            Subject::Call(name) => (None, Some(name)),
        };
        Self {
            otel,
            system: system(shared),
            summary,
            operation,
        }
    }

    /// The summary; else the operation with what it is applied to, else that alone, else the system.
    fn name(&self) -> String {
        if let Some(summary) = &self.summary {
            return summary.to_string();
        }
        let endpoints = &self.otel.endpoints;
        let target = endpoints.namespace.as_ref().or(endpoints.address.as_ref());
        match (self.operation, target) {
            (Some(operation), Some(target)) => format!("{operation} {target}"),
            (Some(operation), None) => operation.to_owned(),
            (None, Some(target)) => target.to_string(),
            (None, None) => self.system.to_owned(),
        }
    }

    /// The span itself, with all that is known before the statement is sent. What stands behind `=` is worked out only where
    /// somebody records it.
    pub(super) fn span(&self, subject: Subject<'_>) -> Span {
        let (summaries, endpoints) = (&self.otel.summaries, &self.otel.endpoints);
        let text = || match subject {
            Subject::Text { sql, bound } => summaries.shown(sql, bound),
            Subject::Call(_) => None,
        };
        let procedure = || match subject {
            Subject::Text { sql, .. } => summaries.procedure(sql),
            Subject::Call(_) => None,
        };
        tracing::info_span!(
            target: TARGET,
            "statement",
            otel.name = self.name(),
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = self.system,
            db.namespace = endpoints.namespace.as_deref(),
            db.operation.name = self.operation,
            db.query.summary = self.summary.as_deref(),
            db.query.text = text().as_deref(),
            db.stored_procedure.name = procedure(),
            db.response.status_code = Empty,
            error.type = Empty,
            network.peer.address = Empty,
            network.peer.port = Empty,
            server.address = endpoints.address.as_deref(),
            server.port = endpoints.port.map(i64::from),
            sealane.node = Empty,
            sealane.role = Empty,
            sealane.intent = Empty,
            sealane.reason = Empty,
        )
    }
}

/// `db.system.name`. What speaks MySQL's protocol is MariaDB once a server has said so.
fn system(shared: &Shared) -> &'static str {
    match shared.backend {
        DbBackend::Postgres => "postgresql",
        DbBackend::Sqlite => "sqlite",
        #[cfg(feature = "mysql")]
        DbBackend::MySql if is_mariadb(shared) => "mariadb",
        DbBackend::MySql => "mysql",
        _ => "other_sql",
    }
}

#[cfg(feature = "mysql")]
fn is_mariadb(shared: &Shared) -> bool {
    let snapshot = shared.snapshot.load();
    let mut guides = snapshot
        .nodes()
        .filter_map(|node| node.member.node.link.guide());
    guides.any(|guide| guide.is_mariadb())
}
