//! What MariaDB servers are asked of their position: the primary's capture, a replica's sample (rules C2, C4, C15).

use std::time::{Duration, Instant};

use sea_orm::{
    DbErr,
    sqlx::{
        self, AssertSqlSafe, MySqlConnection, Row,
        mysql::{MySqlDatabaseError, MySqlRow},
    },
};

use super::capture_answer::CaptureAnswer;
use crate::{
    causality::{PrimaryPlace, ReplayReport},
    error::DbErrKind,
    node::open::mysql::greet::MySqlHello as Server,
    position::{Gtid, GtidPlace},
};

/// How far the primary has written. A transaction is in there before its COMMIT returns. What it has received from others
/// stands beside it: a primary that receives is one of several.
const CAPTURE: &str = "SELECT @@global.gtid_binlog_pos, @@global.gtid_slave_pos";

/// How far a replica has applied, which says so after a transaction can be read. What it may have written itself is none of it.
const SAMPLE: &str = "SELECT @@global.gtid_slave_pos";

/// Whether there is a log, whether the server receives from another one, and whether several take writes.
const FITNESS: &str = "SELECT @@global.log_bin, @@global.gtid_domain_id, \
     (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'SLAVE_RUNNING'), \
     (SELECT variable_value FROM information_schema.global_variables WHERE variable_name = 'WSREP_ON')";

/// A connection of our own to a node, beside its pools.
#[derive(Debug)]
pub(super) struct GtidConnection {
    conn: MySqlConnection,
    server: Server,
    /// What the primary had received from others when it was asked first.
    received: Option<String>,
    domain: u32,
    /// The domain in which a replica applies, once it has told that.
    applies: Option<u32>,
}

impl GtidConnection {
    pub(super) fn new(conn: MySqlConnection, server: Server) -> Self {
        Self {
            conn,
            server,
            received: None,
            domain: 0,
            applies: None,
        }
    }

    /// Which server it leads to, from one start of that to the next.
    pub(super) fn started(&self) -> u64 {
        self.server.started.unwrap_or_default()
    }

    /// The primary's position.
    pub(super) async fn capture(&mut self) -> Result<CaptureAnswer, DbErr> {
        match self.ask_capture().await {
            Err(err) if is_missing(&err) => Ok(CaptureAnswer::Nothing(WITHOUT.to_owned())),
            Err(err) => Err(DbErrKind::Query.of_sqlx(err)),
            Ok(Ok(gtid)) => Ok(CaptureAnswer::Place(PrimaryPlace {
                position: gtid.position(),
                writer: Some(gtid.server),
                executed: None,
                started: self.started(),
            })),
            Ok(Err(why)) => Ok(CaptureAnswer::Nothing(why.to_owned())),
        }
    }

    /// The last transaction that the primary has written, or why that would prove nothing.
    async fn ask_capture(&mut self) -> Result<Result<Gtid, &'static str>, sqlx::Error> {
        if self.server.started.is_none() {
            return Ok(Err("it does not say which server it is"));
        }
        let is_new = self.received.is_none();
        let domain = match is_new {
            true => {
                let row = sqlx::raw_sql(FITNESS).fetch_one(&mut self.conn).await?;
                match fit(&row)? {
                    Ok(domain) => domain,
                    Err(why) => return Ok(Err(why)),
                }
            }
            false => self.domain,
        };
        self.domain = domain;
        let row = sqlx::raw_sql(CAPTURE).fetch_one(&mut self.conn).await?;
        let written: String = row.try_get_unchecked(0)?;
        let received: String = row.try_get_unchecked(1)?;
        let before = self.received.get_or_insert_with(|| received.clone());
        if *before != received {
            return Ok(Err(RECEIVES));
        }
        let (written, received) = (GtidPlace::of(&written), GtidPlace::of(&received));
        if let GtidPlace::One(received) = received
            && received.is_beyond(written)
        {
            // It logs nothing of what it receives, and has written nothing since.
            return Err(sqlx::Error::RowNotFound);
        }
        Ok(match written {
            GtidPlace::One(gtid) => Ok(gtid),
            // Nobody has written anything yet: whoever does counts from one.
            GtidPlace::Empty => Ok(Gtid {
                domain,
                server: 0,
                sequence: 0,
            }),
            GtidPlace::Several => Err(SEVERAL),
        })
    }

    /// A replica's position.
    pub(super) async fn sample(&mut self) -> Result<ReplayReport, DbErr> {
        let begun = Instant::now();
        let row = sqlx::raw_sql(SAMPLE).fetch_one(&mut self.conn).await;
        let text = row.and_then(|row| row.try_get_unchecked(0));
        self.report(text, begun)
    }

    /// Whether the server can be left to wait for a position.
    pub(super) fn can_hold(&self) -> bool {
        self.applies.is_some()
    }

    /// A replica's position when it has applied so many, or after so long. One that was promoted meanwhile applies nothing any
    /// more, and answers after that time whatever it has written.
    pub(super) async fn sample_when(
        &mut self,
        sequence: u64,
        most: Duration,
    ) -> Result<ReplayReport, DbErr> {
        let Some(domain) = self.applies else {
            return self.sample().await;
        };
        // The time of its beginning: what another connection is told meanwhile may be later than this.
        let begun = Instant::now();
        let seconds = most.as_secs_f64();
        // Which server wrote it is not looked at there.
        let wait =
            format!("SELECT MASTER_GTID_WAIT('{domain}-1-{sequence}', {seconds:.3}); {SAMPLE}");
        let text = second_answer(&mut self.conn, wait).await;
        self.report(text, begun)
    }

    fn report(
        &mut self,
        text: Result<String, sqlx::Error>,
        begun: Instant,
    ) -> Result<ReplayReport, DbErr> {
        let text = text.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        self.applies = match GtidPlace::of(&text) {
            GtidPlace::One(gtid) => Some(gtid.domain),
            GtidPlace::Empty | GtidPlace::Several => None,
        };
        self.server
            .report(&text, begun)
            .ok_or_else(|| DbErr::Custom("the server does not say who it is".to_owned()))
    }
}

const WITHOUT: &str = "it has none of MariaDB's global transaction identifiers";

/// What the second of two questions in one message is answered: how far a replica has come, after a wait.
pub(super) async fn second_answer(
    conn: &mut MySqlConnection,
    questions: String,
) -> Result<String, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(questions)).fetch_all(conn);
    match &rows.await?[..] {
        [_, row] => row.try_get_unchecked(0),
        _ => Err(sqlx::Error::RowNotFound),
    }
}

/// An unknown variable or table, or one that this user may not read.
pub(super) fn is_missing(err: &sqlx::Error) -> bool {
    let err = err.as_database_error();
    let err = err.and_then(|err| err.try_downcast_ref::<MySqlDatabaseError>());
    err.is_some_and(|err| matches!(err.number(), 1109 | 1142 | 1193 | 1227))
}

const RECEIVES: &str = "it receives from another server, so several take writes";

const SEVERAL: &str = "its log has several domains (gtid_domain_id), which have no common order";

/// The domain that the primary writes to, or why its position would prove nothing.
fn fit(row: &MySqlRow) -> Result<Result<u32, &'static str>, sqlx::Error> {
    let logs: bool = row.try_get_unchecked(0)?;
    let domain: u64 = row.try_get_unchecked(1)?;
    let on = |at: usize| {
        let told: Option<String> = row.try_get_unchecked(at)?;
        Ok::<bool, sqlx::Error>(told.is_some_and(|told| told == "ON"))
    };
    Ok(match (logs, on(2)?, on(3)?) {
        (false, ..) => Err("it writes no binary log (log_bin)"),
        (_, true, _) => Err(RECEIVES),
        (.., true) => Err("it is a member of a Galera cluster, where several take writes"),
        _ => u32::try_from(domain).map_err(|_| SEVERAL),
    })
}
