//! Runs a statement in a transaction of its own, where a pooler in transaction mode stands between (rule I8).
//!
//! The driver prepares a statement and executes it in two steps. Between them the pooler may give the connection to
//! another client, and what is executed is that one's statement: rows of other columns came back. Inside a transaction the
//! connection stays. What others left prepared there is forgotten first, since every client of this driver calls its
//! first statement the same. The simple protocol was rejected: it takes no values, and runs several statements in one text.

use sea_orm::{
    DbErr, Statement,
    sqlx::{self, Connection, PgConnection, Row},
};

use super::Call;
use crate::{
    causality::{OpenWrite, unresolved::Backend},
    error::DbErrKind,
    node::{
        PooledConnection,
        door::{Guide, Stranger},
    },
};

/// Begins where nothing may be written, which is the read-only default of this one statement.
const BEGIN_READ: &str = "BEGIN READ ONLY; DEALLOCATE ALL";

/// Begins where something may be, and tells which process of which server it is from here to the end.
const BEGIN_WRITE: &str = "BEGIN; DEALLOCATE ALL; \
     SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8, \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8 \
     FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// A transaction of one statement.
pub(super) struct Block<'a> {
    pub(super) on_replica: bool,
    pub(super) write: Option<&'a OpenWrite>,
    pub(super) guide: &'a Guide,
}

impl Block<'_> {
    /// Runs it; after an error the connection is in no transaction any more, or broken.
    pub(super) async fn run<C: Call>(
        &self,
        conn: &mut PooledConnection,
        call: &C,
        stmt: &Statement,
    ) -> Result<C::Output, DbErr> {
        if C::SIMPLE {
            // One message: it is executed where it arrives.
            return call.run(conn, stmt).await;
        }
        self.begin(conn).await?;
        let ran = call.run_inside(conn, stmt).await;
        let end = match ran {
            Ok(_) => "COMMIT",
            Err(_) => "ROLLBACK",
        };
        let PooledConnection::Postgres(conn) = conn else {
            return ran;
        };
        match (ran, sqlx::raw_sql(end).execute(&mut **conn).await) {
            (Ok(_), Err(err)) => Err(C::KIND.of_sqlx(err)),
            (ran, _) => ran,
        }
    }

    /// Nothing of the caller's was sent when this fails.
    async fn begin(&self, conn: &mut PooledConnection) -> Result<(), DbErr> {
        let PooledConnection::Postgres(conn) = conn else {
            return Ok(());
        };
        let begun = self.begin_on(conn).await;
        let Some((backend, server)) = begun.map_err(|err| DbErrKind::Conn.of_sqlx(err))? else {
            return Ok(());
        };
        if let Some(write) = self.write {
            write.found(backend);
        }
        if !self.guide.door.is_home(server) {
            // A pooler may lead its clients elsewhere while they stay connected to it.
            let back = sqlx::raw_sql("ROLLBACK").execute(&mut **conn).await;
            back.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
            return Err(self.guide.abandon(Stranger::Moved));
        }
        Ok(())
    }

    /// The process that it is and the start of its server, where something may be written.
    async fn begin_on(
        &self,
        conn: &mut PgConnection,
    ) -> Result<Option<(Backend, u64)>, sqlx::Error> {
        if conn.cached_statements_size() > 0 {
            // It was opened before the pooler was known for what it is.
            conn.clear_cached_statements().await?;
        }
        if self.on_replica {
            sqlx::raw_sql(BEGIN_READ).execute(&mut *conn).await?;
            return Ok(None);
        }
        let row = sqlx::raw_sql(BEGIN_WRITE).fetch_one(&mut *conn).await?;
        let (pid, started) = (row.try_get(0)?, row.try_get(1)?);
        let server: i64 = row.try_get(2)?;
        Ok(Some((Backend { pid, started }, server.cast_unsigned())))
    }
}
