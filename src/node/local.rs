//! Settings that a statement finds set for itself alone, in a transaction of its own (rule R11).
//!
//! BEGIN and the settings go in one text, by the simple protocol: with values that are bound they would be two round
//! trips. The driver does not log what begins a transaction, so the values stand in no log of ours. To set them for the
//! session and to take them back afterwards was rejected: a statement that fails, or whose caller goes away, would leave
//! them to the connection's next user.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sea_orm::{DbBackend, DbErr, Statement};

use crate::{
    error::{DbErrKind, Error, causes::LocalProblem},
    intent::Classifier,
    signal,
};

/// How the text begins that sets them with bound values.
const BOUND: &str = "SELECT pg_catalog.set_config($1, $2, true)";

/// The longest name: more than any that somebody writes.
const LONGEST_NAME: usize = 127;

/// One setting.
#[derive(Clone)]
pub(crate) struct LocalSetting {
    name: Box<str>,
    value: Box<str>,
}

impl LocalSetting {
    /// A setting of the application's own.
    pub(crate) fn new(name: &str, value: &str) -> Result<Self, LocalProblem> {
        if !is_name(name) {
            return Err(LocalProblem::Name);
        }
        if value.contains('\0') {
            return Err(LocalProblem::Nul);
        }
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }
}

/// Names of two parts or more: one without a dot may be a setting of the server's, and change what a text means.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let first = |b: u8| b.is_ascii_lowercase() || b == b'_';
        part.bytes().next().is_some_and(first)
            && part.bytes().all(|b| first(b) || b.is_ascii_digit())
    };
    name.len() <= LONGEST_NAME && name.contains('.') && name.split('.').all(is_part)
}

/// The settings of one handle.
pub(crate) struct LocalSettings {
    /// In the order of their names.
    settings: Vec<LocalSetting>,
    /// Judges texts that run where these are set.
    classifier: Arc<Classifier>,
    begin_read: Arc<str>,
    begin_write: Arc<str>,
}

impl LocalSettings {
    /// The settings of a handle that had these, with one more; one of the same name takes its place.
    pub(crate) fn merged(before: Option<&Self>, new: LocalSetting) -> Vec<LocalSetting> {
        let mut settings = before
            .map(|before| before.settings.clone())
            .unwrap_or_default();
        settings.retain(|known| known.name != new.name);
        settings.push(new);
        settings.sort_by(|one, other| one.name.cmp(&other.name));
        settings
    }

    pub(crate) fn names(settings: &[LocalSetting]) -> Vec<&str> {
        settings.iter().map(|setting| &*setting.name).collect()
    }

    pub(crate) fn new(settings: Vec<LocalSetting>, classifier: Arc<Classifier>) -> Self {
        let calls: Vec<String> = settings.iter().map(call).collect();
        let calls = calls.join(", ");
        Self {
            begin_read: format!("BEGIN READ ONLY; SELECT {calls}").into(),
            begin_write: format!("BEGIN; SELECT {calls}").into(),
            settings,
            classifier,
        }
    }

    /// No settings, and another text that begins what only reads.
    pub(crate) fn begun_by(begin_read: &str, classifier: Arc<Classifier>) -> Self {
        Self {
            settings: Vec::new(),
            classifier,
            begin_read: begin_read.into(),
            begin_write: "BEGIN".into(),
        }
    }

    pub(crate) fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// What begins the transaction and sets them.
    #[cfg(feature = "postgres")]
    fn begin(&self, access: LocalAccess) -> Arc<str> {
        match access {
            LocalAccess::ReadOnly => Arc::clone(&self.begin_read),
            LocalAccess::Write => Arc::clone(&self.begin_write),
        }
    }

    /// What sets them in a transaction that has begun, with the values bound.
    pub(crate) fn statement(&self) -> Statement {
        let mut sql = BOUND.to_owned();
        for (at, _) in self.settings.iter().enumerate().skip(1) {
            let (name, value) = (2 * at + 1, 2 * at + 2);
            sql += &format!(", pg_catalog.set_config(${name}, ${value}, true)");
        }
        let values = self.settings.iter();
        let values = values.flat_map(|setting| [&*setting.name, &*setting.value]);
        let values: Vec<sea_orm::Value> = values.map(Into::into).collect();
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }

    /// Whether the text sets them: it is nobody's to count, and its values are nobody's to see.
    pub(crate) fn is_own(sql: &str) -> bool {
        sql.starts_with(BOUND)
    }

    /// What the server says against the settings themselves may quote their values.
    pub(crate) fn masked(err: DbErr) -> DbErr {
        let code = signal::code(&err);
        match code {
            Some(code) if code.starts_with("22") || code.starts_with("42") => {
                let why = LocalProblem::Refused { code };
                Error::LocalSetting { why }.into_db(DbErrKind::Conn)
            }
            _ => err,
        }
    }
}

/// Names only: a value may be somebody's.
impl fmt::Debug for LocalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(Self::names(&self.settings)).finish()
    }
}

/// A call that sets one. In this form of a literal a backslash means the same whatever the session's settings are.
fn call(setting: &LocalSetting) -> String {
    let LocalSetting { name, value } = setting;
    let value = value.replace('\\', r"\\").replace('\'', "''");
    format!("pg_catalog.set_config('{name}', E'{value}', true)")
}

/// What the statement may do in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalAccess {
    ReadOnly,
    Write,
}

/// Whether BEGIN is under way on a connection: the driver does not know of a transaction then that may be there.
#[derive(Debug, Default)]
pub(crate) struct Beginning(AtomicBool);

impl Beginning {
    pub(super) fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A transaction with the settings set.
#[cfg(feature = "postgres")]
pub(super) async fn begin<'c>(
    conn: &'c mut sea_orm::sqlx::PgConnection,
    local: &LocalSettings,
    access: LocalAccess,
    beginning: &Beginning,
) -> Result<sea_orm::sqlx::PgTransaction<'c>, DbErr> {
    use sea_orm::sqlx::{AssertSqlSafe, Connection};

    beginning.0.store(true, Ordering::Release);
    let begun = conn.begin_with(AssertSqlSafe(local.begin(access))).await;
    let begun = begun.map_err(|err| LocalSettings::masked(DbErrKind::Conn.of_sqlx(err)))?;
    beginning.0.store(false, Ordering::Release);
    Ok(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_applications_own() {
        for name in ["app.tenant", "a.b", "_a._b", "app.x.y_2"] {
            assert!(is_name(name), "{name}");
        }
        let long = format!("a.{}", "b".repeat(LONGEST_NAME));
        for name in [
            "",
            ".",
            "app",
            "app.",
            ".tenant",
            "a..b",
            "App.tenant",
            "app.tenant ",
            "app.2x",
            "app.a-b",
            "app.a'b",
            "app.a\"b",
            "app.ä",
            "search_path",
            "app.a\0",
            "app.a;b",
            &long,
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_value_stays_inside_its_literal() {
        let of = |value: &str| call(&LocalSetting::new("app.tenant", value).unwrap());
        let text =
            |literal: &str| format!("pg_catalog.set_config('app.tenant', E'{literal}', true)");
        assert_eq!(of(""), text(""));
        assert_eq!(of("o'clock"), text("o''clock"));
        assert_eq!(of(r"\'; DROP"), text(r"\\''; DROP"));
        assert_eq!(of("a\nb$$"), text("a\nb$$"));
        assert!(LocalSetting::new("app.tenant", "a\0b").is_err());
    }
}
