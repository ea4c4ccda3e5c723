//! One PostgreSQL connection that is the primary and the replica of a test, in a transaction that is never committed.
//!
//! Each statement has a savepoint of its own, so that one that fails leaves the others as they were. On the replica's side it may
//! only read, and what it has read is held against what the test has written since the replica was said to have everything. The
//! server counts both for each relation of the open transaction, through views, triggers and functions; to look for names in
//! the texts was rejected, since those hide them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, RuntimeErr, Statement,
    sqlx::{self, PgConnection, Row},
};

use crate::signal;

/// Each relation that the open transaction has touched: its number and name, how often it was scanned, and how many rows were
/// written.
const TOUCHED: &str = "SELECT relid::int8, schemaname || '.' || relname, \
    (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int8, (n_tup_ins + n_tup_upd + n_tup_del)::int8 \
    FROM pg_stat_xact_user_tables \
    WHERE coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd + n_tup_del > 0";

/// A write that was sent to the replica's side, or a read there of what the replica cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A statement that writes was sent to the replica.
    MisroutedWrite {
        /// The statement without its values.
        statement: String,
    },
    /// A statement on the replica has read relations that were written to since the replica had everything.
    StaleRead {
        /// The statement without its values.
        statement: String,
        /// The relations, with their schemas.
        relations: Vec<String>,
    },
}

impl std::error::Error for Finding {}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MisroutedWrite { statement } => {
                write!(
                    f,
                    "misrouted write: the replica was sent what writes: {statement}"
                )
            }
            Self::StaleRead {
                statement,
                relations,
            } => write!(
                f,
                "stale read: the replica was sent {statement}, and need not have what was written to {} before; a handle that has \
                 to see it is of the session that wrote, brings its bookmark, or is primary(), and replicate() in a test says that \
                 the replica has it by now",
                relations.join(", ")
            ),
        }
    }
}

/// What one relation has been through in the open transaction.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    name: String,
    scans: i64,
    written: i64,
}

/// What the open transaction has touched, by relation.
pub(crate) type TouchedRelations = BTreeMap<i64, Touched>;

/// What both sides of a test share.
#[derive(Debug, Default)]
pub(crate) struct FencedTest {
    /// What the replica has.
    replicated: Mutex<TouchedRelations>,
    findings: Mutex<Vec<Finding>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FencedTest {
    /// The replica has everything that was written up to this look.
    pub(crate) fn replicated(&self, look: TouchedRelations) {
        *lock(&self.replicated) = look;
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        lock(&self.findings).clone()
    }

    /// Notes it, and gives it as an error that no server has said: nobody takes it for news of a node, or sends the statement
    /// elsewhere.
    fn found(&self, finding: Finding) -> DbErr {
        lock(&self.findings).push(finding.clone());
        DbErr::Query(RuntimeErr::Internal(finding.to_string()))
    }

    /// The relations that were written to since the replica had everything.
    fn lacks(&self, look: &TouchedRelations) -> Vec<i64> {
        let has = lock(&self.replicated);
        let written = |of: &TouchedRelations, id: &i64| of.get(id).map_or(0, |one| one.written);
        let ids = look
            .keys()
            .filter(|id| written(look, id) != written(&has, id));
        ids.copied().collect()
    }
}

/// One side of a test.
#[derive(Debug)]
pub(crate) struct Fence {
    pub(crate) test: Arc<FencedTest>,
    /// The replica's side.
    pub(crate) reads_only: bool,
}

impl Fence {
    /// What the open transaction has touched up to now; nothing on the primary's side, where nobody is held to it.
    pub(crate) async fn look(
        &self,
        db: &impl ConnectionTrait,
    ) -> Result<Option<TouchedRelations>, DbErr> {
        if !self.reads_only {
            return Ok(None);
        }
        let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, TOUCHED));
        rows.await?
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An error where what was read between the two looks is what the replica lacks.
    pub(crate) fn check(
        &self,
        before: &TouchedRelations,
        after: &TouchedRelations,
        statement: impl FnOnce() -> String,
    ) -> Result<(), DbErr> {
        let scans = |of: &TouchedRelations, id: &i64| of.get(id).map_or(0, |one| one.scans);
        let lacking = self.test.lacks(after).into_iter();
        let read = lacking.filter(|id| scans(after, id) > scans(before, id));
        let relations: Vec<String> = read
            .filter_map(|id| Some(after.get(&id)?.name.clone()))
            .collect();
        match relations.is_empty() {
            true => Ok(()),
            false => Err(self.test.found(Finding::StaleRead {
                statement: statement(),
                relations,
            })),
        }
    }

    /// The error of a statement: what the server refuses as a write is a finding.
    pub(crate) fn refused(&self, err: DbErr, statement: impl FnOnce() -> String) -> DbErr {
        let is_write = signal::code(&err).is_some_and(|code| code == "25006");
        match is_write && self.reads_only {
            true => self.test.found(Finding::MisroutedWrite {
                statement: statement(),
            }),
            false => err,
        }
    }
}

/// Everything that the open transaction has touched.
pub(crate) async fn look_at(conn: &mut PgConnection) -> Result<TouchedRelations, sqlx::Error> {
    let rows = sqlx::query(TOUCHED).fetch_all(conn).await?;
    let touched = |row: &sqlx::postgres::PgRow| {
        let one = Touched {
            name: row.try_get(1)?,
            scans: row.try_get(2)?,
            written: row.try_get(3)?,
        };
        Ok((row.try_get(0)?, one))
    };
    rows.iter().map(touched).collect()
}

fn read(row: &QueryResult) -> Result<(i64, Touched), DbErr> {
    let one = Touched {
        name: row.try_get_by_index(1)?,
        scans: row.try_get_by_index(2)?,
        written: row.try_get_by_index(3)?,
    };
    Ok((row.try_get_by_index(0)?, one))
}

/// A statement without its values.
pub(crate) fn text_of(stmt: &Statement) -> String {
    let bound = stmt.values.as_ref().is_some_and(|all| !all.0.is_empty());
    crate::intent::fingerprint(DbBackend::Postgres, &stmt.sql, bound)
}
