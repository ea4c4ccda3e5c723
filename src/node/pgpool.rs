//! Finds out whether a Pgpool-II stands before a server that reads statements and sends them to servers of its choice
//! (rule I9).
//!
//! Behind one that balances, a connection has several servers at a time: what asks whose server it is goes to the primary,
//! since that calls volatile functions, and the read after it to a standby. So nothing that a server says of itself holds for
//! the next statement, and the connection is refused.
//!
//! Such a Pgpool answers a question that is an error to PostgreSQL, and a line in its log. So that is asked where something
//! stands between: once for each place in which that shows itself, and whenever two questions met two servers.

use sea_orm::sqlx::{self, PgConnection, Row, postgres::PgRow};

use super::{
    asking,
    door::{Stranger, server_of},
};

/// A question to Pgpool; whoever reads a server's log is told who asks and why.
const IS_IT: &str =
    "SHOW pool_version /* sealane asks whether Pgpool-II answers; to a server that is an error */";

/// Two settings that have to be off: one sends reads elsewhere, one has them answered from a cache.
const MUST_BE_OFF: [&str; 2] = [
    "PGPOOL SHOW load_balance_mode",
    "PGPOOL SHOW memory_cache_enabled",
];

/// Whose server it is, once more, by functions that Pgpool takes for a read's: this question goes where reads go.
const READS_FROM: &str = "SELECT pg_catalog.concat_ws('|', pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()), \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8";

/// The server that reads on this connection meet.
pub(super) async fn reads_from(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let row = asking::row(conn, READS_FROM).await?;
    let started: i64 = row.try_get(1)?;
    Ok(server_of(row.try_get(0)?, Some(started.cast_unsigned())))
}

/// Refuses a connection through one that balances.
pub(super) async fn refuse(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    match asking::row(conn, IS_IT).await {
        Ok(_) => {}
        Err(err) if err.as_database_error().is_some() => return Ok(()),
        Err(err) => return Err(err),
    }
    match balances(conn).await? {
        true => Err(Stranger::Balances.refused()),
        false => Ok(()),
    }
}

/// Whether one of both is on, or it does not say so.
async fn balances(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    for question in MUST_BE_OFF {
        match asking::row(conn, question).await {
            Ok(row) if is_off(&row) => {}
            Err(err) if err.as_database_error().is_none() => return Err(err),
            _ => return Ok(true),
        }
    }
    Ok(false)
}

fn is_off(row: &PgRow) -> bool {
    let said = row.try_get_unchecked::<&str, _>(0);
    said.is_ok_and(|said| said == "off")
}
