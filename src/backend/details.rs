//! What a server tells those who look after it, asked on a connection of the pool that statements use.

use std::time::{Duration, Instant};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm::{
    DbErr,
    sqlx::{self, ColumnIndex, Decode, Row, Type},
};

use crate::{
    error::DbErrKind,
    node::{NodePool, PooledConnection},
};

/// What a server says of itself and of a connection to it. A field is `None` where the server does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ServerDetails {
    /// The version in the server's own words.
    pub version: Option<String>,
    /// How long one question took on an open connection.
    pub round_trip: Duration,
    /// Whether TLS protects the connection, as the server sees it: behind a pooler, what comes from the pooler. `None` of a
    /// file.
    pub encrypted: Option<bool>,
    /// Whether the session cannot write unless it says so: what keeps writes away from a replica beside the judging of
    /// statements.
    pub read_only_default: Option<bool>,
    /// How many connections the server admits for those who are not its administrators.
    pub max_connections: Option<u64>,
    /// How many connections it has now, whoever has opened them.
    pub connections: Option<u64>,
    /// How many connections it admits to this user, where it limits them (`CONNECTION LIMIT` of a role, `max_user_connections`).
    pub user_limit: Option<u64>,
    /// How many connections it admits to this database, where it limits them.
    pub database_limit: Option<u64>,
    /// Which server it is, as a text that means nothing else: nodes that show the same one are one server.
    pub identity: Option<String>,
    /// By how many milliseconds the server's clock is ahead of this machine's; negative where it is behind.
    pub clock_ahead_ms: Option<i64>,
}

/// Asks on a connection of this pool, opened as one for a statement is.
pub(crate) async fn ask(pool: &NodePool) -> Result<ServerDetails, DbErr> {
    let mut conn = pool.while_open(pool.acquire()).await?;
    conn.greet(pool.guide()).await?;
    let asked = match &mut conn {
        #[cfg(feature = "postgres")]
        PooledConnection::Postgres(conn, _) => of_postgres(conn).await,
        #[cfg(feature = "mysql")]
        PooledConnection::MySql(conn) => of_mysql(conn).await,
        #[cfg(feature = "sqlite")]
        PooledConnection::Sqlite(conn) => of_sqlite(conn).await,
        // A mock or a proxy is no server.
        PooledConnection::Adopted(_) => Ok(ServerDetails::default()),
    };
    asked.map_err(|err| DbErrKind::Query.of_sqlx(err))
}

#[cfg(feature = "postgres")]
const POSTGRES: &str = "SELECT pg_catalog.current_setting('server_version'), \
     pg_catalog.current_setting('default_transaction_read_only'), \
     (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::pg_catalog.int8";

/// Apart from the rest: systems that only speak the protocol may lack a view. The counts are not hidden from a role.
#[cfg(feature = "postgres")]
const CONNECTIONS: &str = "SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int8 \
       - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8 \
       - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int8, \
     (SELECT pg_catalog.sum(numbackends) FROM pg_catalog.pg_stat_database)::pg_catalog.int8";

#[cfg(feature = "postgres")]
const ENCRYPTED: &str =
    "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";

/// The limits of whoever logged in: a role that is set later counts for nothing there, and administrators are bound by neither;
/// -1 is no limit. No two servers were started in one microsecond.
#[cfg(feature = "postgres")]
const LIMITS: &str = "SELECT CASE WHEN NOT role.rolsuper THEN nullif(role.rolconnlimit, -1)::pg_catalog.int8 END, \
     CASE WHEN NOT role.rolsuper THEN nullif(base.datconnlimit, -1)::pg_catalog.int8 END, \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8::pg_catalog.text \
     FROM pg_catalog.pg_roles AS role, pg_catalog.pg_database AS base \
     WHERE role.rolname = session_user AND base.datname = pg_catalog.current_database()";

#[cfg(feature = "postgres")]
async fn of_postgres(conn: &mut sqlx::PgConnection) -> Result<ServerDetails, sqlx::Error> {
    use crate::node::asking;
    let asked = RoundTripClock::now();
    let row = asking::row(conn, POSTGRES).await?;
    let round_trip = asked.begun.elapsed();
    let details = ServerDetails {
        version: read(&row, 0),
        round_trip,
        read_only_default: read::<String, _>(&row, 1).map(|set| set == "on"),
        clock_ahead_ms: read(&row, 2).map(|server| asked.ahead(server, round_trip)),
        ..ServerDetails::default()
    };
    let counts = unless_refused(asking::row(conn, CONNECTIONS).await)?;
    let limits = unless_refused(asking::row(conn, LIMITS).await)?;
    let encrypted = unless_refused(asking::row(conn, ENCRYPTED).await)?;
    let count = |row: &Option<_>, at| {
        row.as_ref()
            .and_then(|row| read::<i64, _>(row, at))
            .and_then(|count| u64::try_from(count).ok())
    };
    Ok(ServerDetails {
        max_connections: count(&counts, 0),
        connections: count(&counts, 1),
        user_limit: count(&limits, 0),
        database_limit: count(&limits, 1),
        identity: limits.as_ref().and_then(|row| read(row, 2)),
        encrypted: encrypted.as_ref().and_then(|row| read(row, 0)),
        ..details
    })
}

/// The two call it differently: a comment for each that only that one executes.
#[cfg(feature = "mysql")]
const IDENTITY: &str = "SELECT CONCAT_WS('|', /*M!100000 @@global.server_uid, */ /*!50720 @@global.server_uuid, */ \
     @@global.hostname, @@global.port, @@global.server_id)";

#[cfg(feature = "mysql")]
async fn of_mysql(conn: &mut sqlx::MySqlConnection) -> Result<ServerDetails, sqlx::Error> {
    let asked = RoundTripClock::now();
    let sql = "SELECT VERSION(), @@global.max_connections, \
               CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED), \
               CAST(NULLIF(@@session.max_user_connections, 0) AS UNSIGNED)";
    let row = sqlx::raw_sql(sql).fetch_one(&mut *conn).await?;
    let round_trip = asked.begun.elapsed();
    let mut named = async |sql: &'static str| {
        let row = sqlx::raw_sql(sql).fetch_optional(&mut *conn).await;
        let row = unless_refused(row)?.flatten();
        Ok::<_, sqlx::Error>(row.and_then(|row| read::<String, _>(&row, 1)))
    };
    // MariaDB and MySQL call it differently.
    let read_only = named(
        "SHOW SESSION VARIABLES WHERE variable_name IN ('tx_read_only', 'transaction_read_only')",
    )
    .await?;
    let connections = named("SHOW GLOBAL STATUS LIKE 'Threads_connected'").await?;
    let cipher = named("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await?;
    let identity = sqlx::raw_sql(IDENTITY).fetch_optional(&mut *conn).await;
    let identity = unless_refused(identity)?.flatten();
    Ok(ServerDetails {
        version: read(&row, 0),
        round_trip,
        encrypted: cipher.map(|cipher| !cipher.is_empty()),
        read_only_default: read_only.map(|set| set.eq_ignore_ascii_case("on")),
        max_connections: read(&row, 1),
        connections: connections.and_then(|count| count.parse().ok()),
        clock_ahead_ms: read(&row, 2).map(|server| asked.ahead(server, round_trip)),
        user_limit: read(&row, 3),
        database_limit: None,
        identity: identity.as_ref().and_then(|row| read(row, 0)),
    })
}

#[cfg(feature = "sqlite")]
async fn of_sqlite(conn: &mut sqlx::SqliteConnection) -> Result<ServerDetails, sqlx::Error> {
    let begun = Instant::now();
    let row = sqlx::query("SELECT sqlite_version()")
        .fetch_one(conn)
        .await?;
    Ok(ServerDetails {
        version: read::<String, _>(&row, 0).map(|version| format!("SQLite {version}")),
        round_trip: begun.elapsed(),
        ..ServerDetails::default()
    })
}

/// When a question began, by both of this machine's clocks.
#[cfg(any(feature = "postgres", feature = "mysql"))]
struct RoundTripClock {
    begun: Instant,
    at: SystemTime,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl RoundTripClock {
    fn now() -> Self {
        Self {
            begun: Instant::now(),
            at: SystemTime::now(),
        }
    }

    /// How far a server's clock is ahead, in milliseconds, if it was read in the midst of the round trip.
    fn ahead(&self, server_ms: i64, round_trip: Duration) -> i64 {
        let midst = self.at + round_trip / 2;
        let ours = midst.duration_since(UNIX_EPOCH).unwrap_or_default();
        server_ms.saturating_sub(i64::try_from(ours.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A column, where it is there and of this type.
fn read<'r, T, R>(row: &'r R, at: usize) -> Option<T>
where
    R: Row,
    T: Decode<'r, R::Database> + Type<R::Database>,
    usize: ColumnIndex<R>,
{
    row.try_get(at).ok()
}

/// Nothing where the server answers that it does not know or allow this.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn unless_refused<T>(answer: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(err) => Err(err),
    }
}
