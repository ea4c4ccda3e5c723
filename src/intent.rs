//! What a statement needs, judged from its text: the rules I1 to I5.
//!
//! Deny by default: a text is a read only if all of it is understood and harmless. What only the server knows (its
//! functions, views, types) comes in as data, the catalog; judging itself is pure and asks nobody.

mod cache;
pub(crate) mod catalog;
mod change;
mod dialect;
mod doubt;
mod ending;
mod executable;
mod explain;
mod functions;
mod inside;
mod judge;
mod judged;
mod keyword;
mod knowledge;
mod lexer;
pub(crate) mod local;
mod pragma;
mod query;
mod reader;
mod relations;
mod scan;
mod settings;
mod show;
#[cfg(any(test, feature = "otel", feature = "testing"))]
mod shown;
mod statement;
#[cfg(feature = "otel")]
mod summaries;
#[cfg(any(test, feature = "otel"))]
mod summary;
mod types;
mod utility;

use std::borrow::Cow;

use sea_orm::DbBackend;

use crate::vocabulary::{Intent, Reason};

pub(crate) use cache::{Classification, Classifier};
pub(crate) use change::Change;
pub(crate) use judged::TextKind;
pub(crate) use knowledge::Knowledge;
pub(crate) use settings::Settings;
#[cfg(feature = "otel")]
pub(crate) use summaries::Summaries;
#[cfg(test)]
pub(crate) use {
    dialect::Dialect,
    shown::shown,
    summary::{procedure, summary},
};

use catalog::resolve::Basis;
#[cfg(not(test))]
use dialect::Dialect;
use judged::{Judged, Ruling};

/// What a text was judged to be, and which part of it decided.
///
/// ```
/// use sea_orm::DbBackend;
/// use sealane::{classify, Intent, Reason};
///
/// let verdict = classify(DbBackend::Postgres, "SELECT nextval('ticket')");
/// assert_eq!(verdict.intent(), Intent::Write);
/// assert_eq!(verdict.reason(), Reason::Write);
/// assert_eq!(verdict.part(), "function nextval");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    intent: Intent,
    reason: Reason,
    part: Cow<'static, str>,
}

impl Verdict {
    /// What the text needs.
    #[must_use]
    pub fn intent(&self) -> Intent {
        self.intent
    }

    /// Why; for a read, [`Reason::Replica`].
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The part of the text that decided, such as `function nextval` or `keyword INSERT`.
    ///
    /// It holds keywords and the names of functions, relations and types, and never a literal: it may be logged.
    #[must_use]
    pub fn part(&self) -> &str {
        &self.part
    }

    fn of(ruling: Ruling) -> Self {
        Self {
            intent: ruling.intent,
            reason: ruling.reason,
            part: ruling.part,
        }
    }
}

/// Judges a text by itself, with the default limits: relations and types are trusted, since no server is asked, and a
/// function that is not built in is not.
///
/// A [`RoutedConnection`](crate) knows more than this function: it reads the server's catalog.
pub fn classify(backend: DbBackend, sql: &str) -> Verdict {
    let judged = judge(Dialect::of(backend), sql, &Settings::default());
    Verdict::of(catalog::resolve::resolve(&judged, Basis::Trusted).0)
}

/// The text without its values, in one line; its first word where they cannot be told from the rest. `bound`: values are bound
/// to it.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint(backend: DbBackend, sql: &str, bound: bool) -> String {
    let shown = Dialect::of(backend).and_then(|dialect| shown::shown(dialect, sql, bound));
    let first = sql.trim_start();
    let end = first.find(|c: char| !c.is_ascii_alphabetic());
    let first = first.get(..end.unwrap_or(first.len()));
    let words = shown.as_deref().or(first).unwrap_or_default();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Judges a text in full. A backend that this crate does not know is never judged a read.
fn judge(dialect: Option<Dialect>, sql: &str, settings: &Settings) -> Judged {
    match dialect {
        None => Judged::of(Ruling::unparsed("the backend"), TextKind::Other),
        Some(dialect) => match keyword::decide(dialect, sql) {
            Some(decided) => decided.judged(),
            None => judge::judge(dialect, sql, settings),
        },
    }
}
