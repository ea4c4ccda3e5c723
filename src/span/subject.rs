//! What a span is of.

use sea_orm::Statement;

/// Where the spans are from, for filters.
#[cfg(feature = "otel")]
pub(crate) const TARGET: &str = "sealane::statement";

/// What a span is of.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(any(feature = "otel", feature = "testing")),
    expect(dead_code, reason = "nobody is told of it")
)]
pub(crate) enum Subject<'a> {
    /// A text, and whether values are bound to it.
    Text { sql: &'a str, bound: bool },
    /// What was asked for by a call: `BEGIN`.
    Call(&'static str),
}

impl<'a> Subject<'a> {
    pub(crate) fn of(stmt: &'a Statement) -> Self {
        let bound = stmt
            .values
            .as_ref()
            .is_some_and(|values| !values.0.is_empty());
        Self::Text {
            sql: &stmt.sql,
            bound,
        }
    }
}
