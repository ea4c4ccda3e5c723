//! Runs a statement in a transaction of its own, where a pooler in transaction mode stands between (rule I8).
//!
//! The driver prepares a statement and executes it in two steps. Between them the pooler may give the connection to
//! another client, and what is executed is that one's statement: rows of other columns came back. Inside a transaction the
//! connection stays. What others left prepared there is forgotten first, since every client of this driver calls its
//! first statement the same. The simple protocol was rejected: it takes no values, and runs several statements in one text.
//!
//! The pooler may also lead the connection to another server, from one transaction to the next. Only what answers inside the
//! transaction says whose server it is, so that is asked with BEGIN.

use sea_orm::{
    ConnAcquireErr, DbErr, Statement,
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, Row},
};

use super::Call;
use crate::{
    causality::{OpenWrite, unresolved::Backend},
    error::DbErrKind,
    node::{
        PooledConnection, asking,
        door::{Guide, Stranger, server_of},
    },
};

/// Begins where nothing may be written, which is the read-only default of this one statement.
const BEGIN_READ: &str = "BEGIN READ ONLY";

const BEGIN_WRITE: &str = "BEGIN";

/// Where the pooler does not tell clients' prepared statements apart. Where it does, it counts on them being there.
const FORGET: &str = "DEALLOCATE ALL";

/// Tells which process of which server it is, until the transaction ends: after BEGIN, or of a text that has none.
const WHO: &str = "SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8, \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8, \
     pg_catalog.concat_ws('|', pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()) \
     FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// A transaction of one statement.
pub(super) struct Block<'a> {
    pub(super) on_replica: bool,
    /// A read that has to see what its session saw.
    pub(super) bound: bool,
    pub(super) write: Option<&'a OpenWrite>,
    pub(super) guide: &'a Guide,
}

/// What answers in this transaction.
struct Answering {
    backend: Backend,
    /// When its server was started.
    started: u64,
    addr: String,
}

impl Block<'_> {
    /// Runs it; after an error the connection is in no transaction any more, or broken.
    pub(super) async fn run<C: Call>(
        &self,
        conn: &mut PooledConnection,
        call: &C,
        stmt: &Statement,
    ) -> Result<C::Output, DbErr> {
        if C::SIMPLE && !self.on_replica {
            // The text may have what no transaction may. So it is asked before whose server that is, and the pooler could
            // lead elsewhere between the question and the text (rule I8). The process that answers is not the text's.
            self.asked(conn, WHO).await?;
            return call.run(conn, stmt).await;
        }
        self.begin(conn).await?;
        let ran = call.run_inside(conn, stmt).await;
        let end = match ran {
            Ok(_) => "COMMIT",
            Err(_) => "ROLLBACK",
        };
        let PooledConnection::Postgres(conn, _) = conn else {
            return ran;
        };
        match (ran, asking::done(conn, end).await) {
            (Ok(_), Err(err)) => Err(C::KIND.of_sqlx(err)),
            (ran, _) => ran,
        }
    }

    /// Nothing of the caller's was sent when this fails, and the transaction is over.
    async fn begin(&self, conn: &mut PooledConnection) -> Result<(), DbErr> {
        let forgets = self.guide.needs_blocks();
        if let PooledConnection::Postgres(conn, _) = conn
            && forgets
            && conn.cached_statements_size() > 0
        {
            // It was opened before the pooler was known for what it is.
            let forgotten = conn.clear_cached_statements().await;
            forgotten.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
        }
        let begin = match self.on_replica {
            true => BEGIN_READ,
            false => BEGIN_WRITE,
        };
        let sql = match forgets {
            true => format!("{begin}; {FORGET}; {WHO}"),
            false => format!("{begin}; {WHO}"),
        };
        match (self.asked(conn, &sql).await, conn) {
            (Ok(backend), _) => {
                if let (Some(write), Some(backend)) = (self.write, backend) {
                    write.found(backend);
                }
                Ok(())
            }
            (Err(err), PooledConnection::Postgres(conn, _)) => {
                // Where it cannot the connection is gone, and the transaction with it.
                let _ = asking::done(conn, "ROLLBACK").await;
                Err(err)
            }
            (Err(err), _) => Err(err),
        }
    }

    /// Asks who answers, and whether that may be given the statement: a pooler may lead its clients to another server while
    /// they stay connected to it. The process that has answered.
    async fn asked(
        &self,
        conn: &mut PooledConnection,
        sql: &str,
    ) -> Result<Option<Backend>, DbErr> {
        let PooledConnection::Postgres(conn, _) = conn else {
            return Ok(None);
        };
        let answering = who(conn, sql).await;
        let answering = answering.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
        if self.on_replica {
            self.judge_reader(conn, &answering).await?;
        } else if !self.guide.door.is_home(answering.started) {
            return Err(self.guide.abandon(Stranger::Moved));
        }
        Ok(Some(answering.backend))
    }

    /// What is known of how far the node has come holds for the server that it was first. Another one is asked all that a
    /// new connection is.
    async fn judge_reader(
        &self,
        conn: &mut PgConnection,
        answering: &Answering,
    ) -> Result<(), DbErr> {
        let Answering { started, addr, .. } = answering;
        let server = server_of(addr, Some(*started));
        let address = (!addr.is_empty()).then(|| server_of(addr, None));
        if !self.guide.replayed.meet(server, address) {
            return Ok(());
        }
        let met = self.guide.meet_other(conn).await;
        let refused = match met {
            Ok(()) => false,
            // A server that is not to be read from is as good as no connection: the read goes elsewhere.
            Err(sqlx::Error::Configuration(_)) => true,
            Err(err) => return Err(DbErrKind::Conn.of_sqlx(err)),
        };
        match refused || self.bound {
            true => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            false => Ok(()),
        }
    }
}

async fn who(conn: &mut PgConnection, sql: &str) -> Result<Answering, sqlx::Error> {
    let row = asking::row(conn, AssertSqlSafe(sql.to_owned())).await?;
    let (pid, started) = (row.try_get(0)?, row.try_get(1)?);
    let server: i64 = row.try_get(2)?;
    Ok(Answering {
        backend: Backend { pid, started },
        started: server.cast_unsigned(),
        addr: row.try_get(3)?,
    })
}
