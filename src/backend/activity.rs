//! Who is at work at a server (rule C1).

use std::time::Instant;

use sea_orm::{
    DbErr,
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, Row, postgres::PgRow},
};

use crate::{
    causality::unresolved::Backend,
    config::{Config, NodeConfig},
    error::DbErrKind,
    node::asking,
};

use super::postgres::open_plain;

/// Whether transactions of others can be seen: a role sees those of its own sessions, unless nobody keeps count.
const COUNTED: &str = "SELECT pg_catalog.current_setting('track_activities')::pg_catalog.bool";

/// These processes, and all that are in a transaction of this role. Of other roles' processes a role sees the number
/// and nothing else.
const AT_WORK: &str = "SELECT pid, \
     (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8, \
     (pg_catalog.date_part('epoch', xact_start) * 1000000)::pg_catalog.int8, \
     (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - xact_start) * 1000000)::pg_catalog.int8, \
     (pg_catalog.date_part('epoch', state_change) * 1000000)::pg_catalog.int8, \
     state = 'idle' \
     FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() \
     AND (pid = ANY ($1) OR (xact_start IS NOT NULL AND usename = SESSION_USER))";

/// Ends these processes, each by its number and when it began, and no other.
const END: &str = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_get_activity(NULL) \
     WHERE (pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8) \
     IN (SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)))";

/// A process, as far as the role may see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) started: Option<i64>,
    /// Since when it is in its transaction, by the server's clock in microseconds.
    pub(crate) begun: Option<i64>,
    /// For how long that was when the answer was made.
    pub(crate) for_micros: Option<i64>,
    /// When the process last began or ended something.
    pub(crate) changed: Option<i64>,
    pub(crate) idle: bool,
}

impl Process {
    pub(crate) fn is(&self, backend: Backend) -> bool {
        self.pid == backend.pid && self.started.is_none_or(|since| since == backend.started)
    }
}

/// One answer, and between which moments it was made.
#[derive(Debug)]
pub(crate) struct AtWork {
    pub(crate) processes: Vec<Process>,
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    /// Transactions can be seen.
    pub(crate) counted: bool,
}

/// A connection of our own that asks.
#[derive(Debug)]
pub(crate) struct Observer {
    conn: PgConnection,
    counted: bool,
}

impl Observer {
    pub(crate) async fn open(config: &Config, node: &NodeConfig) -> Result<Self, DbErr> {
        let mut conn = open_plain(config, node, "sealane-unresolved").await?;
        let counted = asking::row(&mut conn, COUNTED).await;
        let counted = counted.and_then(|row| row.try_get(0));
        Ok(Self {
            conn,
            counted: counted.map_err(|err| DbErrKind::Query.of_sqlx(err))?,
        })
    }

    pub(crate) async fn at_work(&mut self, pids: Vec<i32>) -> Result<AtWork, DbErr> {
        let asked = Instant::now();
        let sql = AssertSqlSafe(AT_WORK.replace("$1", &array(&pids, "int4")));
        let rows = asking::rows(&mut self.conn, sql).await;
        let read = |rows: Vec<PgRow>| rows.iter().map(read).collect::<Result<_, _>>();
        Ok(AtWork {
            processes: rows
                .and_then(read)
                .map_err(|err| DbErrKind::Query.of_sqlx(err))?,
            asked,
            answered: Instant::now(),
            counted: self.counted,
        })
    }

    pub(crate) async fn close(self) {
        let _ = self.conn.close().await;
    }
}

/// Ends these processes of the server, and what they are at.
pub(crate) async fn end(
    config: &Config,
    node: &NodeConfig,
    backends: &[Backend],
) -> Result<(), DbErr> {
    let mut conn = open_plain(config, node, "sealane-unresolved").await?;
    let (pids, started): (Vec<i32>, Vec<i64>) =
        backends.iter().map(|one| (one.pid, one.started)).unzip();
    let sql = END.replace("$1", &array(&pids, "int4"));
    let sql = AssertSqlSafe(sql.replace("$2", &array(&started, "int8")));
    let ended = asking::done(&mut conn, sql).await;
    ended.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
    let _ = conn.close().await;
    Ok(())
}

/// Numbers as an array of the server's. By the simple protocol, which takes no values: behind a pooler in transaction mode
/// nothing stays prepared (rule I8).
fn array<N: ToString>(numbers: &[N], kind: &str) -> String {
    let numbers: Vec<String> = numbers.iter().map(N::to_string).collect();
    format!("ARRAY[{}]::pg_catalog.{kind}[]", numbers.join(","))
}

fn read(row: &PgRow) -> Result<Process, sqlx::Error> {
    Ok(Process {
        pid: row.try_get(0)?,
        started: row.try_get(1)?,
        begun: row.try_get(2)?,
        for_micros: row.try_get(3)?,
        changed: row.try_get(4)?,
        idle: row.try_get::<Option<bool>, _>(5)?.unwrap_or_default(),
    })
}
