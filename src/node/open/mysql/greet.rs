//! What a MariaDB or MySQL connection says in its first round trip: whose server it leads to, and how its session reads a text
//! (rules C4, I7).

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
    time::Instant,
};

use sea_orm::sqlx::{
    self, Executor, MySql, MySqlConnection, Row, mysql::MySqlRow, pool::PoolOptions,
};

use crate::{
    causality::{ReplayReport, Upstream},
    node::{
        HandedConnections,
        door::{Guide, Hello},
    },
    position::{ClusterId, GtidPlace, GtidSet},
};

/// The first statement of every replica connection (rule I7).
const READ_ONLY_DEFAULT: &str = "SET SESSION TRANSACTION READ ONLY";

/// The question, by what is done before it in the same round trip.
///
/// Comments that only one of the two executes hold what is called otherwise there: MariaDB takes `/*M!`, and of MySQL's own
/// none that begin with 5.7.0 or later. A server counts the seconds since its start by the same clock as `UNIX_TIMESTAMP()`, so
/// their difference is its start, whenever it is asked.
macro_rules! hello {
    ($before:literal, $executed:literal) => {
        concat!(
            $before,
            "SELECT @@global.read_only, \
             /*M!100000 @@session.tx_read_only, @@global.server_uid, */ \
             /*!50720 @@session.transaction_read_only, @@global.server_uuid, */ \
             @@session.sql_mode, @@global.hostname, @@global.port, @@global.server_id, \
             UNIX_TIMESTAMP() - (SELECT variable_value FROM \
             /*M!100000 information_schema.global_status */ /*!50720 performance_schema.global_status */ \
             WHERE variable_name = 'UPTIME'), \
             /*M!100000 1, @@global.gtid_slave_pos */ /*!50720 0, ",
            $executed,
            " */"
        )
    };
}

const ASK: &str = hello!("", "@@global.gtid_executed");

/// As much, of what says which server it is and has no such sets.
const ASK_WITHOUT_SETS: &str = hello!("", "NULL");

/// What anything that speaks the protocol answers.
const LITTLE: &str = "SELECT @@global.read_only";

const SET_AND_ASK: &str = hello!(
    "SET SESSION TRANSACTION READ ONLY; ",
    "@@global.gtid_executed"
);

/// What a server says of itself and of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MySqlHello {
    pub(crate) read_only: bool,
    /// The session cannot write unless it says so.
    pub(crate) read_only_default: bool,
    /// A text means what the judge reads in it.
    pub(crate) plain_strings: bool,
    /// The server, from one start to the next. By its start alone two that were started in one second would be one.
    pub(crate) started: Option<u64>,
    /// The server, however often it is started.
    pub(crate) address: Option<u64>,
    /// How far it has applied as a replica, in its own words; nothing where it has no such thing. MariaDB's place, or all that
    /// MySQL has executed.
    pub(crate) applied: Option<String>,
    /// By its own word.
    pub(crate) is_mariadb: bool,
}

impl MySqlHello {
    /// What a replica's place in its primary's log says (rule C15); nothing where nobody knows whose it is.
    pub(crate) fn report(&self, place: &str, begun: Instant) -> Option<ReplayReport> {
        let (source, domain, lsn) = match GtidPlace::of(place) {
            GtidPlace::One(gtid) => {
                let (server, sequence) = (gtid.server, gtid.sequence);
                let source = Upstream::Writer { server, sequence };
                (source, gtid.domain, Some(sequence))
            }
            GtidPlace::Empty | GtidPlace::Several => (Upstream::Nobody(None), 0, None),
        };
        Some(ReplayReport {
            begun,
            lsn,
            executed: None,
            complete: false,
            source,
            cluster: u64::from(domain),
            server: self.started?,
            address: self.address,
            connection: None,
        })
    }

    /// What a replica says that it has executed (rule C16); nothing where nobody knows whose it is.
    pub(crate) fn report_set(&self, executed: &str, begun: Instant) -> Option<ReplayReport> {
        let executed = executed.parse::<GtidSet>().ok().map(Arc::new);
        Some(ReplayReport {
            begun,
            lsn: None,
            source: match executed {
                Some(_) => Upstream::Executed,
                None => Upstream::Nobody(None),
            },
            executed,
            complete: false,
            cluster: ClusterId::OF_SETS.0,
            server: self.started?,
            address: self.address,
            connection: None,
        })
    }

    /// What the door judges a connection by. That the node is read-only says nothing of where it leads: who takes writes is
    /// found out by the checks, and an operator may read from a primary that takes none.
    fn hello(&self, writes: bool, begun: Instant) -> Hello {
        let applied = self.applied.as_deref().filter(|_| !writes);
        Hello {
            replay: applied.and_then(|applied| match self.is_mariadb {
                true => self.report(applied, begun),
                false => self.report_set(applied, begun),
            }),
            in_recovery: self.read_only && !writes,
            started: self.started,
            address: self.address,
            read_only_default: self.read_only_default,
            plain_strings: self.plain_strings,
            ..Hello::default()
        }
    }
}

/// Asks a server who it is, or what little of that it tells.
pub(crate) async fn ask(conn: &mut MySqlConnection) -> Result<MySqlHello, sqlx::Error> {
    match ask_whole(conn, ASK).await {
        Err(err) if is_missing(&err) => {
            let row = sqlx::raw_sql(LITTLE).fetch_one(conn).await?;
            Ok(MySqlHello {
                read_only: row.try_get_unchecked(0)?,
                ..MySqlHello::default()
            })
        }
        told => told,
    }
}

/// Asks by this, or without what only some servers have.
async fn ask_whole(
    conn: &mut MySqlConnection,
    question: &'static str,
) -> Result<MySqlHello, sqlx::Error> {
    let row = sqlx::raw_sql(question).fetch_one(&mut *conn).await;
    let row = match row {
        Err(err) if is_missing(&err) => sqlx::raw_sql(ASK_WITHOUT_SETS).fetch_one(conn).await,
        row => row,
    };
    row.and_then(|row| read(&row))
}

/// Whether the server has no such thing, or does not tell it to this user.
fn is_missing(err: &sqlx::Error) -> bool {
    matches!(
        err,
        sqlx::Error::Database(_) | sqlx::Error::ColumnDecode { .. }
    )
}

/// Lets a pool ask each of its connections as it is opened; `read_only`: after it was made to refuse writes. `handed`: what
/// counts them where the pool is handed out.
pub(in crate::node) fn hooked(
    options: PoolOptions<MySql>,
    guide: &Arc<Guide>,
    read_only: bool,
    handed: Option<Arc<HandedConnections>>,
) -> PoolOptions<MySql> {
    guide.hook(None);
    let guide = Arc::clone(guide);
    options.after_connect(move |conn, _| {
        let (guide, handed) = (Arc::clone(&guide), handed.clone());
        Box::pin(async move {
            if let Some(handed) = handed {
                handed.count();
            }
            let begun = Instant::now();
            let told = first_round_trip(conn, read_only).await?;
            #[cfg(feature = "otel")]
            guide.note_system(told.is_mariadb);
            guide
                .admit(&told.hello(guide.purpose.writes, begun))
                .map_err(|stranger| sqlx::Error::Configuration(Box::new(stranger)))
        })
    })
}

async fn first_round_trip(
    conn: &mut MySqlConnection,
    read_only: bool,
) -> Result<MySqlHello, sqlx::Error> {
    let question = match read_only {
        true => SET_AND_ASK,
        false => ASK,
    };
    match ask_whole(conn, question).await {
        // Something that only speaks the protocol, or tells this user less: there is nothing to judge it by.
        Err(err) if is_missing(&err) => {
            if read_only {
                conn.execute(READ_ONLY_DEFAULT).await?;
            }
            Ok(MySqlHello {
                read_only_default: read_only,
                plain_strings: true,
                ..MySqlHello::default()
            })
        }
        told => told,
    }
}

fn read(row: &MySqlRow) -> Result<MySqlHello, sqlx::Error> {
    let text = |at: usize| row.try_get_unchecked::<String, _>(at);
    let started: f64 = row.try_get_unchecked(7)?;
    let (id, sql_mode) = (text(2)?, text(3)?);
    let host = text(4)?;
    let port: u64 = row.try_get_unchecked(5)?;
    let number: u64 = row.try_get_unchecked(6)?;
    // Copies of one disk have one identifier, and are told apart by the rest.
    let address = hash((id, host, port, number));
    Ok(MySqlHello {
        read_only: row.try_get_unchecked(0)?,
        read_only_default: row.try_get_unchecked(1)?,
        plain_strings: reads_plainly(&sql_mode),
        started: Some(hash((address, started.to_bits()))),
        address: Some(address),
        is_mariadb: row.try_get_unchecked(8)?,
        applied: row.try_get_unchecked(9)?,
    })
}

fn hash(what: impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(what)
}

/// Whether a text means what the judge reads in it: with the first of these modes, which others contain, what stands between
/// double quotes is a name, and with the second a backslash is a backslash.
pub(crate) fn reads_plainly(sql_mode: &str) -> bool {
    let mut modes = sql_mode.split(',');
    !modes.any(|mode| matches!(mode.trim(), "ANSI_QUOTES" | "NO_BACKSLASH_ESCAPES"))
}
