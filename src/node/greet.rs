//! What a PostgreSQL connection is asked in its first round trip (rule C4).

mod questions;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult,
    RuntimeErr, Statement,
    sqlx::{
        self, PgConnection, Row,
        postgres::{PgDatabaseError, PgPoolOptions, PgRow},
    },
};

use self::questions::{FirstQuestion, MAY_LIST, ONLY_TIMELINE, TIMELINE};
pub(crate) use self::questions::{FullestQuestion, is_forbidden};
use super::{
    HandedConnections, asking,
    door::{Guide, Hello, Stranger, server_of},
    seen::Seen,
};
use crate::{
    causality::{ReplayReport, Upstream},
    error::DbErrKind,
    vocabulary::Signs,
};

/// Between two questions to a server that the topology has not heard of yet.
const AGAIN: Duration = Duration::from_millis(10);

/// What a server answers that has no such function, does not allow it, or does not support it.
pub(crate) const NOT_TOLD: [&str; 3] = ["42883", "42501", "0A000"];

/// Lets a pool ask each of its connections as it is opened, whoever opens it; and does what stood in that place, which
/// is SeaORM's setting of a search path. `handed`: what notes them where the pool is handed out.
pub(super) fn hooked(
    options: PgPoolOptions,
    guide: &Arc<Guide>,
    path: Option<String>,
    handed: Option<Arc<HandedConnections>>,
) -> PgPoolOptions {
    guide.hook(path.as_ref());
    let guide = Arc::clone(guide);
    options.after_connect(move |conn, _| {
        let (guide, path, handed) = (Arc::clone(&guide), path.clone(), handed.clone());
        Box::pin(async move {
            let since = handed.as_ref().map(|handed| handed.times_cut());
            guide.greet(conn).await?;
            if let (Some(handed), Some(since)) = (handed, since) {
                handed.note(conn, since).await?;
            }
            if let Some(path) = path {
                let set = "SELECT pg_catalog.set_config('search_path', $1, false)";
                let set = sqlx::query(set).persistent(false).bind(path);
                set.execute(conn).await?;
            }
            Ok(())
        })
    })
}

impl Guide {
    /// Asks a new connection, and judges it: one that is refused must not be used.
    pub(crate) async fn greet(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let hello = self.ask(conn).await?;
        self.list();
        self.look_between(conn, &hello).await?;
        self.admit(&hello).map_err(Stranger::refused)?;
        lift_read_only_default(conn, &hello).await
    }

    /// Asks a connection late, where a pool did not as it was opened, for whoever takes it; waits for the topology
    /// where that has to speak first, as the pool would.
    pub(in crate::node) async fn greet_late(
        &self,
        conn: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        loop {
            let hello = self.ask(conn).await?;
            self.look_between(conn, &hello).await?;
            match self.admit(&hello) {
                Ok(()) => return lift_read_only_default(conn, &hello).await,
                Err(Stranger::NotYet) => tokio::time::sleep(AGAIN).await,
                // The server is well, only not to be read from now: its node is not taken for dead.
                Err(Stranger::Moved | Stranger::ReceivesNothing) => {
                    return Err(sqlx::Error::PoolClosed);
                }
                Err(stranger) => return Err(stranger.refused()),
            }
        }
    }

    /// Asks a connection whose pooler has led it to another server than before, in a transaction there, and judges that.
    pub(in crate::node) async fn meet_other(
        &self,
        conn: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let hello = self.ask(conn).await?;
        self.meet(&hello).map_err(Stranger::refused)
    }

    async fn ask(&self, conn: &mut PgConnection) -> Result<Hello, sqlx::Error> {
        let mut question = self.question.get();
        loop {
            match ask(question, conn).await {
                Err(err) if is_missing(&err) => {
                    let Some(less) = question.less(&err) else {
                        // Something that only speaks the protocol: there is nothing to judge it by.
                        return Ok(Hello {
                            plain_strings: true,
                            ..Hello::default()
                        });
                    };
                    self.settle_for(less, &err);
                    question = less;
                }
                told => return told.map(|hello| hello.counted(self.purpose)),
            }
        }
    }

    /// The pool's connections are asked this from now on, since more was refused so; unless that comes and goes with a setting.
    fn settle_for(&self, less: FirstQuestion, refused: &sqlx::Error) {
        if !is_unprepared(refused) {
            self.question.set(less);
        }
    }
}

/// Where every node takes writes the read-only default guards nothing, and it may change what a read sees: a role or a
/// database whose read-only transactions are served by followers would read minutes back by it.
async fn lift_read_only_default(conn: &mut PgConnection, hello: &Hello) -> Result<(), sqlx::Error> {
    if hello.writes_everywhere() == Some(true) && hello.read_only_default {
        let lift = "SET default_transaction_read_only = off";
        asking::done(conn, lift).await?;
    }
    Ok(())
}

/// Asks a transaction that has begun, through SeaORM: whose server it is.
pub(crate) async fn ask_begun(guide: &Guide, begun: &DatabaseTransaction) -> Result<Hello, DbErr> {
    let question = guide.question.get();
    let stmt = Statement::from_string(DbBackend::Postgres, question.text());
    let row = begun.query_one_raw(stmt).await;
    if let Err(DbErr::Query(RuntimeErr::SqlxError(err))) = &row
        && is_missing(err)
        && let Some(less) = question.less(err)
    {
        // The transaction is over with that. The next one is asked less.
        guide.settle_for(less, err);
        return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
    }
    let row = row?;
    let row = row.as_ref().and_then(QueryResult::try_as_pg_row);
    let unread = || DbErrKind::Query.of_sqlx(sqlx::Error::RowNotFound);
    let hello = read(row.ok_or_else(unread)?, Instant::now());
    let hello = hello.map(|hello| hello.counted(guide.purpose));
    hello.map_err(|err| DbErrKind::Query.of_sqlx(err))
}

/// How far the server of this connection has come, now.
pub(crate) async fn position(conn: &mut PgConnection) -> Result<Option<ReplayReport>, sqlx::Error> {
    let told = match ask(FirstQuestion::Whole, conn).await {
        Err(err) if is_forbidden(&err) => ask(FirstQuestion::WithoutReceiver, conn).await,
        told => told,
    };
    let replay = told?.replay;
    let Some(told) = replay else {
        return Ok(None);
    };
    if told.source != Upstream::Hidden(None) {
        return Ok(Some(told));
    }
    let source = Upstream::Hidden(timeline_replayed(conn).await?);
    Ok(Some(ReplayReport { source, ..told }))
}

/// The newest timeline of which the standby behind this connection has surely replayed some; nothing where the role may
/// not ask for that.
pub(crate) async fn timeline_replayed(conn: &mut PgConnection) -> Result<Option<u32>, sqlx::Error> {
    match asking::row(conn, TIMELINE).await {
        Ok(row) => Ok(u32::try_from(row.try_get::<i32, _>(0)?).ok()),
        Err(err) if is_not_told(&err) => Ok(None),
        Err(err) => Err(err),
    }
}

/// The timeline on which the standby behind this connection is, which receives from nobody; nothing where that is not sure,
/// or the role may not ask for it.
///
/// By the control file alone was rejected: it is late, and whoever slept has not seen a promotion whose primary is gone as
/// well.
pub(crate) async fn only_timeline(conn: &mut PgConnection) -> Result<Upstream, sqlx::Error> {
    let may = asking::row(conn, MAY_LIST).await;
    if !may.and_then(|row| row.try_get::<bool, _>(0))? {
        return Ok(Upstream::Nobody(None));
    }
    match asking::row(conn, ONLY_TIMELINE).await {
        Ok(row) => {
            let replayed: i32 = row.try_get(0)?;
            let latest: i64 = row.try_get(1)?;
            match latest <= i64::from(replayed) {
                true => Ok(Upstream::Nobody(u32::try_from(replayed).ok())),
                false => Ok(Upstream::NobodyAhead),
            }
        }
        // The position that was told before stays told, whatever is wrong with the files.
        Err(err) if err.as_database_error().is_some() => Ok(Upstream::Nobody(None)),
        Err(err) => Err(err),
    }
}

/// Whether the server lacks something of the question, does not allow it or does not support it, or not as it is set up.
pub(crate) fn is_missing(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(|err| err.code());
    code.is_some_and(|code| {
        // Class 42 is of names, types, syntax and rights. A system that speaks the protocol may lack any part of a text.
        code.starts_with("42") || ["0A000", "55000", "3F000"].contains(&&*code)
    })
}

fn is_unprepared(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(|err| err.code());
    code.is_some_and(|code| code == "55000")
}

fn is_not_told(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(|err| err.code());
    code.is_some_and(|code| NOT_TOLD.contains(&&*code))
}

/// By the simple protocol, which is one round trip and leaves the caller's cache of statements alone.
async fn ask(question: FirstQuestion, conn: &mut PgConnection) -> Result<Hello, sqlx::Error> {
    let (sql, begun) = (question.text(), Instant::now());
    let row = match asking::row(conn, sql).await {
        Err(err) if is_refused_as_serializable(&err) => ask_lower(sql, conn).await?,
        answer => answer?,
    };
    read(&row, begun)
}

/// Asks a standby where transactions are serializable by default: the session is left as its role has it.
async fn ask_lower(sql: &'static str, conn: &mut PgConnection) -> Result<PgRow, sqlx::Error> {
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY";
    asking::done(conn, begin).await?;
    let row = asking::row(conn, sql).await;
    asking::done(conn, "ROLLBACK").await?;
    row
}

/// Whether a standby refused it because it was serializable, as every statement of such a transaction.
pub(crate) fn is_refused_as_serializable(err: &sqlx::Error) -> bool {
    let err = err.as_database_error();
    err.is_some_and(|err| {
        // The routine tells it from what else is not supported; the text is translated.
        let err = err.try_downcast_ref::<PgDatabaseError>();
        err.is_some_and(|err| {
            err.code() == "0A000" && err.routine() == Some("GetSerializableTransactionSnapshot")
        })
    })
}

/// Lets a connection of our own ask a standby although transactions are serializable by default.
pub(crate) async fn allow_reads(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let set = "SET default_transaction_isolation = 'read committed'";
    asking::done(conn, set).await?;
    Ok(())
}

fn read(row: &PgRow, begun: Instant) -> Result<Hello, sqlx::Error> {
    let number = |at: usize| row.try_get::<Option<i64>, _>(at).map(unsigned);
    let in_recovery: bool = row.try_get(0)?;
    let (cluster, started, timeline, lsn) = (number(1)?, number(3)?, number(4)?, number(5)?);
    let timeline = timeline.map(|timeline| timeline & u64::from(u32::MAX));
    let addr: Option<&str> = row.try_get(2)?;
    let addr = addr.unwrap_or_default();
    let receives: Option<bool> = row.try_get(6)?;
    let source = match timeline.and_then(|timeline| u32::try_from(timeline).ok()) {
        Some(timeline) if in_recovery => Upstream::Timeline(timeline),
        _ => Upstream::of_hidden(receives),
    };
    let replay = cluster.zip(started).map(|(cluster, started)| ReplayReport {
        begun,
        lsn,
        executed: None,
        complete: false,
        source,
        cluster,
        server: server_of(addr, Some(started)),
        address: (!addr.is_empty()).then(|| server_of(addr, None)),
        connection: None,
    });
    Ok(Hello {
        cluster,
        in_recovery,
        timeline,
        started,
        address: (!addr.is_empty()).then(|| server_of(addr, None)),
        receives,
        read_only_default: row.try_get(7)?,
        plain_strings: row.try_get(8)?,
        flavour: Some(
            Signs {
                version: row.try_get(9)?,
                ..Signs::default()
            }
            .flavour(),
        ),
        replay,
        seen: Seen::of(row, 10),
    })
}

/// PostgreSQL's own unsigned numbers come as signed ones of the same bits.
fn unsigned(number: Option<i64>) -> Option<u64> {
    number.map(i64::cast_unsigned)
}
