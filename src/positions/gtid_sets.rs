//! What MySQL's servers are asked of their position: the primary's capture, a replica's sample (rules C2, C4, C16).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    DbErr,
    sqlx::{self, MySqlConnection, Row},
};

use super::{
    capture_answer::CaptureAnswer,
    gtid::{is_missing, second_answer},
};
use crate::{
    causality::{Executed, PrimaryPlace, ReplayReport},
    error::DbErrKind,
    node::open::mysql::greet::MySqlHello as Server,
    position::{ClusterId, Epoch, GtidSet, Lsn, Position, server_of_uuid},
};

/// What was executed. A transaction is in there before its COMMIT returns, and on a replica once it can be read.
const EXECUTED: &str = "SELECT @@global.gtid_executed";

/// Asked of the primary, and whether every transaction has an identifier: that may change while it runs.
const CAPTURE: &str = "SELECT @@global.gtid_executed, @@global.gtid_mode";

/// Whether there is a log, and whose transactions are written here.
const FITNESS: &str = "SELECT @@global.log_bin, @@global.server_uuid";

/// A connection of our own to a node, beside its pools.
#[derive(Debug)]
pub(super) struct SetConnection {
    conn: MySqlConnection,
    server: Server,
    primary: Option<AskedPrimary>,
    /// A replica has told what it has executed.
    tells: bool,
}

/// A primary that was asked before.
#[derive(Debug)]
struct AskedPrimary {
    /// The identifier under which the primary writes.
    uuid: u128,
    /// Others' transactions that the primary had when it was asked first.
    received: GtidSet,
}

impl SetConnection {
    pub(super) fn new(conn: MySqlConnection, server: Server) -> Self {
        Self {
            conn,
            server,
            primary: None,
            tells: false,
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
            Ok(Err(why)) => Ok(CaptureAnswer::Nothing(why)),
            Ok(Ok(executed)) => Ok(CaptureAnswer::Place(PrimaryPlace {
                position: Position {
                    epoch: Epoch {
                        cluster: ClusterId::OF_SETS,
                        timeline: Epoch::WITHOUT_TIMELINE,
                    },
                    lsn: Lsn(executed.set.count()),
                },
                writer: None,
                started: self.started(),
                executed: Some(Arc::new(executed)),
            })),
        }
    }

    /// What the primary has executed, or why that would prove nothing.
    async fn ask_capture(&mut self) -> Result<Result<Executed, String>, sqlx::Error> {
        if self.server.started.is_none() {
            return Ok(Err("it does not say which server it is".to_owned()));
        }
        let known = self.primary.as_ref().map(|primary| primary.uuid);
        let server = match known {
            Some(server) => server,
            None => match self.ask_fitness().await? {
                Ok(server) => server,
                Err(why) => return Ok(Err(why)),
            },
        };
        let row = sqlx::raw_sql(CAPTURE).fetch_one(&mut self.conn).await?;
        let (text, mode): (String, String) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
        if mode != "ON" {
            return Ok(Err(format!(
                "its gtid_mode is {mode}, and not every transaction has an identifier then; ON lets it tell"
            )));
        }
        let set = text.parse::<GtidSet>();
        // Beyond that, two sets might have one number.
        let Some(set) = set.ok().filter(|set| set.count() < u64::MAX / 2) else {
            return Ok(Err(UNREAD.to_owned()));
        };
        let received = set.written_by_others(server);
        let primary = self.primary.get_or_insert_with(|| AskedPrimary {
            uuid: server,
            received: received.clone(),
        });
        // What others write comes in whenever it does: another one may take writes that this one has not got.
        match primary.received == received {
            true => Ok(Ok(Executed { set, server })),
            false => Ok(Err(RECEIVES.to_owned())),
        }
    }

    /// The identifier of the primary, or why its position would prove nothing.
    async fn ask_fitness(&mut self) -> Result<Result<u128, String>, sqlx::Error> {
        let row = sqlx::raw_sql(FITNESS).fetch_one(&mut self.conn).await?;
        let uuid: String = row.try_get_unchecked(1)?;
        Ok(match row.try_get_unchecked::<bool, _>(0)? {
            true => server_of_uuid(&uuid).map_err(|_| UNREAD.to_owned()),
            false => Err("it writes no binary log (log_bin)".to_owned()),
        })
    }

    /// A replica's position.
    pub(super) async fn sample(&mut self) -> Result<ReplayReport, DbErr> {
        let begun = Instant::now();
        let row = sqlx::raw_sql(EXECUTED).fetch_one(&mut self.conn).await;
        self.report(row.and_then(|row| row.try_get_unchecked(0)), begun)
    }

    /// Whether the server can be left to wait for a position.
    pub(super) const fn can_hold(&self) -> bool {
        self.tells
    }

    /// A replica's position when it has executed this, or after so long. One that was promoted meanwhile answers at once for what
    /// it has written itself, and what it says then counts as what it is.
    pub(super) async fn sample_when(
        &mut self,
        wanted: Option<GtidSet>,
        most: Duration,
    ) -> Result<ReplayReport, DbErr> {
        let Some(wanted) = wanted else {
            return self.sample().await;
        };
        // The time of its beginning: what another connection is told meanwhile may be later than this.
        let begun = Instant::now();
        let seconds = most.as_secs_f64();
        let wait =
            format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{wanted}', {seconds:.3}); {EXECUTED}");
        let text = second_answer(&mut self.conn, wait).await;
        self.report(text, begun)
    }

    fn report(
        &mut self,
        text: Result<String, sqlx::Error>,
        begun: Instant,
    ) -> Result<ReplayReport, DbErr> {
        let text = text.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        let report = self.server.report_set(&text, begun);
        let report =
            report.ok_or_else(|| DbErr::Custom("the server does not say who it is".to_owned()))?;
        self.tells = report.executed.is_some();
        Ok(report)
    }
}

const WITHOUT: &str = "it has no global transaction identifiers, neither MariaDB's nor MySQL's";

const UNREAD: &str = "its gtid_executed cannot be read, or is longer than 64 KiB";

const RECEIVES: &str = "transactions of other servers come in: it receives from one, or is a member of a group, so several take writes";
