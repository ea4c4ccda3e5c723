//! A handle whose statements find settings set: a tenant's, for policies of row-level security (rule R11).

use std::sync::Arc;

use sea_orm::{DbBackend, DbErr};

use super::RoutedConnection;
use crate::{
    dispatch::Overrides,
    error::{DbErrKind, Error, causes::LocalProblem},
    node::local::{LocalSetting, LocalSettings},
};

impl RoutedConnection {
    /// This handle, with a setting of PostgreSQL's set for each of its statements and transactions, and for nothing else:
    /// what `current_setting(name)` gives to policies of row-level security, views and functions.
    ///
    /// Each statement has a transaction of its own, which sets it locally: three round trips instead of one. A read may
    /// go to a replica, also where its tables' policies read this setting; what is not proven to be a read is committed
    /// on the primary. `begin` sets it behind BEGIN. The connection's next user finds nothing of it, however the
    /// statement ended. Two settings: call it twice; the same one again: the last value counts.
    ///
    /// A statement that cannot run in a transaction (`VACUUM`, `CREATE INDEX CONCURRENTLY`) is refused by the server, and
    /// one that ends it (`COMMIT`, `ROLLBACK`) by the handle. [`concrete`](Self::concrete) and what comes of it know nothing
    /// of the setting. The value stands in no error, log line, trace or metric of this crate; the name does.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, Statement};
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> {
    /// // CREATE POLICY own ON note USING (tenant = current_setting('app.tenant')::int)
    /// let tenant = db.with_local("app.tenant", 42)?;
    /// let all = Statement::from_string(db.get_database_backend(), "SELECT id FROM note");
    /// let notes = tenant.query_all_raw(all).await?; // those of tenant 42, from a replica
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::LocalSetting`] for a name that is not of the form `app.tenant` (lower-case letters, digits and `_`, in two
    /// parts or more), a value with a NUL, another backend than PostgreSQL, and more than 16 different sets of names;
    /// [`Error::Disconnected`].
    pub fn with_local(&self, name: impl AsRef<str>, value: impl ToString) -> Result<Self, Error> {
        self.with_local_text(name.as_ref(), &value.to_string())
    }

    fn with_local_text(&self, name: &str, value: &str) -> Result<Self, Error> {
        let shared = self.shared()?;
        let problem = |why| Error::LocalSetting { why };
        if shared.backend != DbBackend::Postgres {
            return Err(problem(LocalProblem::Backend));
        }
        let new = LocalSetting::new(name, value).map_err(problem)?;
        let settings = LocalSettings::merged(self.overrides.local.as_deref(), new);
        let names = LocalSettings::names(&settings);
        let classifier = shared.judging.local(shared.backend, &names);
        let classifier = classifier.ok_or_else(|| problem(LocalProblem::TooMany))?;
        let mut other = self.clone();
        other.overrides.local = Some(Arc::new(LocalSettings::new(settings, classifier)));
        Ok(other)
    }
}

/// Refuses a text that would end the transaction that its settings are set in.
#[inline]
pub(super) fn check(overrides: &Overrides, sql: &str, kind: DbErrKind) -> Result<(), DbErr> {
    match &overrides.local {
        Some(local) if !local.classifier().leaves_open(sql) => {
            let why = LocalProblem::EndsTransaction;
            Err(Error::LocalSetting { why }.into_db(kind))
        }
        _ => Ok(()),
    }
}
