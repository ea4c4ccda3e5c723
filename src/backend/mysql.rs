//! MariaDB and MySQL: the read-only default and the probe.

use std::time::Instant;

use sea_orm::{
    DbErr,
    sqlx::{self, MySqlConnection, Row},
};

use super::{Facts, MonitorConnection};
use crate::{
    config::{Config, NodeConfig},
    error::DbErrKind,
    node::open::connect_mysql,
    state::Fact,
};

/// `read_only` is what a replica of these servers has in place of a recovery state.
const PROBE: &str = "SELECT @@global.read_only";

/// Opens one.
pub(super) async fn open(config: &Config, node: &NodeConfig) -> Result<MonitorConnection, DbErr> {
    let conn = connect_mysql(config, node).await;
    conn.map(MonitorConnection::MySql)
}

/// Asks on it.
pub(super) async fn probe(conn: &mut MySqlConnection) -> Result<Facts, DbErr> {
    ask(conn).await.map_err(|err| DbErrKind::Query.of_sqlx(err))
}

async fn ask(conn: &mut MySqlConnection) -> Result<Facts, sqlx::Error> {
    let started = Instant::now();
    let row = sqlx::query(PROBE).fetch_one(conn).await?;
    let round_trip = started.elapsed();
    let read_only: bool = row.try_get(0)?;
    // A replica without `read_only` is common and safe behind the read-only default; a primary with it is no primary. What it
    // was found to be before is over all the same: one that was read-only for a while takes writes again.
    Ok(Facts {
        in_recovery: match read_only {
            true => Fact::Known(true),
            false => Fact::Unknown,
        },
        round_trip,
        ..Facts::default()
    })
}
