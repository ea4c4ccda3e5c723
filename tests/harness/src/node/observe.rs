//! What the server itself counted: the proof of which node served what.

use std::collections::BTreeMap;

use super::Node;
use crate::{Error, Result, wire::APPLICATION};

/// How often a node has run one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementCount {
    /// The statement with its constants replaced by `$1`, `$2`, ….
    pub query: String,
    /// How often it ran to its end. A refused statement is not counted; see [`Node::refused_writes`].
    pub calls: u64,
}

/// A database's counters at one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Committed transactions, also those of single statements.
    pub commits: u64,
    /// Rolled-back transactions.
    pub rollbacks: u64,
    /// Rows that queries fetched.
    pub rows_read: u64,
    /// Rows inserted, updated or deleted.
    pub rows_written: u64,
}

impl Node {
    /// Every statement that clients ran here since the start or the last [`reset_statements`](Self::reset_statements), in any
    /// database. Exact and at once, unlike the other counters; the harness's own SQL is not among them.
    pub fn statements(&self) -> Result<Vec<StatementCount>> {
        if !self.0.setup.template.counts_statements {
            return Err(Error::MissingBinaries {
                what: "the extension pg_stat_statements".to_owned(),
                install: "apt-get install -y --no-install-recommends postgresql-contrib",
            });
        }
        let sql = "select query, sum(calls)::bigint from pg_stat_statements group by query order by query";
        let count = |row: Vec<Option<String>>| {
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            Some(StatementCount {
                query: row.next()?,
                calls: row.next()?.parse().ok()?,
            })
        };
        let rows = self.rows(crate::template::TOOLS, sql)?;
        Ok(rows.into_iter().filter_map(count).collect())
    }

    /// How often clients ran statements here whose text contains `part`, whatever the case of its letters. Statements that differ
    /// in constants or in the names of columns alone count under the text of the one that ran first.
    pub fn statements_with(&self, part: &str) -> Result<u64> {
        let part = part.to_lowercase();
        let all = self.statements()?.into_iter();
        Ok(all
            .filter(|one| one.query.to_lowercase().contains(&part))
            .map(|one| one.calls)
            .sum())
    }

    /// Starts counting statements from zero.
    pub fn reset_statements(&self) -> Result<()> {
        self.ask("select pg_stat_statements_reset()").map(drop)
    }

    /// How often this server has refused a write because it is a standby or the transaction is read-only (SQLSTATE 25006),
    /// since it was made. Zero on a standby proves that no write was tried there.
    #[must_use]
    pub fn refused_writes(&self) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(" 25006 ") && line.contains("ERROR: "))
            .count()
    }

    /// A database's counters. The server collects them about once a second and, of an idle connection, only after ten: good for
    /// sums at the end, not for proof of a single statement.
    pub fn counters(&self, database: &str) -> Result<Counters> {
        let sql = format!(
            "select xact_commit, xact_rollback, tup_fetched, tup_inserted + tup_updated + tup_deleted \
             from pg_stat_database where datname = '{}'",
            database.replace('\'', "''")
        );
        let line = self.ask(&sql)?;
        let mut numbers = line.split('|').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Ok(Counters {
            commits: next(),
            rollbacks: next(),
            rows_read: next(),
            rows_written: next(),
        })
    }

    /// How often a table was scanned here, by sequence or by index; as late as [`counters`](Self::counters).
    pub fn scans(&self, database: &str, table: &str) -> Result<u64> {
        let sql = format!(
            "select coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) from pg_stat_user_tables where relname = '{}'",
            table.replace('\'', "''")
        );
        Ok(self.sql_in(database, &sql)?.parse().unwrap_or(0))
    }

    /// The number of client connections by application name, without the harness's own.
    pub fn connections(&self) -> Result<BTreeMap<String, u64>> {
        let sql = format!(
            "select application_name, count(*) from pg_stat_activity \
             where backend_type = 'client backend' and application_name <> '{APPLICATION}' group by 1"
        );
        let pair = |row: Vec<Option<String>>| {
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            Some((row.next()?, row.next()?.parse().ok()?))
        };
        let rows = self.rows(crate::template::TOOLS, &sql)?;
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    /// Ends all client connections, as an administrator does, with SQLSTATE 57P01.
    pub fn terminate_connections(&self) -> Result<()> {
        let sql = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where backend_type = 'client backend' and application_name <> '{APPLICATION}'"
        );
        self.ask(&sql).map(drop)
    }
}
