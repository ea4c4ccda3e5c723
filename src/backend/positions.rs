//! What servers are asked of their position: the primary's capture, a replica's sample (rules C2, C3, C4).

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Instant,
};

use sea_orm::{
    DbErr,
    sqlx::{self, ConnectOptions, PgConnection, Row},
};

use crate::{
    config::{Config, NodeConfig},
    error::Kind,
    mutants,
    node::open::direct_postgres,
    position::{ClusterId, Epoch, Lsn, Position},
    session::{Replay, Upstream},
};

/// The insert position, because with asynchronous commit the write and the flush position lie below a commit that has
/// returned. The epoch comes from the same call: the control file still tells the old one after a promotion. On a
/// standby this fails with 55000.
const CAPTURE: &str = "SELECT (lsn - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8, \
     ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(lsn), 1, 8))::pg_catalog.bit(32)::pg_catalog.int8, \
     (SELECT system_identifier FROM pg_catalog.pg_control_system())::pg_catalog.int8, \
     pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) \
     FROM pg_catalog.pg_current_wal_insert_lsn() AS lsn";

/// The replayed position and whose it is: the server's own address and start time, whatever stands between. The timeline is told only to roles with `pg_read_all_stats`; anybody else
/// sees a row of NULLs there (rule T2), and where nothing is received there is no row.
const SAMPLE: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() \
     THEN (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8 END, \
     (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver), \
     EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver), \
     (SELECT system_identifier FROM pg_catalog.pg_control_system())::pg_catalog.int8, \
     pg_catalog.concat_ws('|', pg_catalog.inet_server_addr(), pg_catalog.inet_server_port(), \
     pg_catalog.pg_postmaster_start_time())";

/// A connection of our own to a node, beside its pools.
pub(crate) async fn open(
    config: &Config,
    node: &NodeConfig,
    name: &str,
) -> Result<PgConnection, DbErr> {
    let options = direct_postgres(config, node)
        .await?
        .application_name(name)
        .disable_statement_logging();
    options
        .connect()
        .await
        .map_err(|err| Kind::Conn.of_sqlx(err))
}

/// The primary's position.
pub(crate) async fn capture(conn: &mut PgConnection) -> Result<Position, DbErr> {
    let sql = match mutants::lives("flush_position") {
        true => CAPTURE.replace("pg_current_wal_insert_lsn", "pg_current_wal_flush_lsn"),
        false => return read_capture(sqlx::query(CAPTURE).fetch_one(conn).await),
    };
    read_capture(sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(conn).await)
}

fn read_capture(row: Result<sqlx::postgres::PgRow, sqlx::Error>) -> Result<Position, DbErr> {
    let read = |row: sqlx::postgres::PgRow| {
        let (lsn, segment) = (unsigned(row.try_get(0)?), unsigned(row.try_get(3)?));
        let timeline: i64 = row.try_get(1)?;
        Ok(Position {
            epoch: Epoch {
                cluster: ClusterId(unsigned(row.try_get(2)?)),
                timeline: u32::try_from(timeline & i64::from(u32::MAX)).unwrap_or(0),
            },
            lsn: Lsn(lsn).at_end_of_record(segment),
        })
    };
    row.and_then(read).map_err(|err| Kind::Query.of_sqlx(err))
}

/// A replica's position.
pub(crate) async fn sample(conn: &mut PgConnection) -> Result<Replay, DbErr> {
    let begun = Instant::now();
    let row = sqlx::query(SAMPLE).fetch_one(conn).await;
    let read = |row: sqlx::postgres::PgRow| {
        let timeline: Option<i32> = row.try_get(1)?;
        let source = match timeline.and_then(|timeline| u32::try_from(timeline).ok()) {
            Some(timeline) => Upstream::Timeline(timeline),
            None if row.try_get(2)? => Upstream::Hidden,
            None => Upstream::Nobody,
        };
        let server: &str = row.try_get(4)?;
        Ok(Replay {
            begun,
            lsn: row.try_get::<Option<i64>, _>(0)?.map(unsigned),
            source,
            cluster: unsigned(row.try_get(3)?),
            server: BuildHasherDefault::<DefaultHasher>::default().hash_one(server),
            life: None,
        })
    };
    row.and_then(read).map_err(|err| Kind::Query.of_sqlx(err))
}

/// PostgreSQL's own unsigned numbers come as signed ones of the same bits.
const fn unsigned(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}
