//! MariaDB and MySQL: the probe.

use std::time::Instant;

use sea_orm::{
    DbErr,
    sqlx::{self, MySqlConnection},
};

use super::{Advice, Facts, MonitorConnection};
use crate::{
    config::{Config, NodeConfig},
    error::DbErrKind,
    node::open::{connect_mysql, mysql::greet},
    state::Fact,
};

pub(super) const ADVICE: Advice = Advice {
    read_only_default: "something between drops SET SESSION TRANSACTION READ ONLY; give the readers a user without the right to \
                        write, or let the proxy keep what a session sets",
    strings: "a session begins with ANSI_QUOTES or NO_BACKSLASH_ESCAPES in its sql_mode: texts with a double quote or a backslash \
              are not judged there, and go to the primary; let the servers begin without both",
};

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
    let told = greet::ask(conn).await?;
    let round_trip = started.elapsed();
    // `read_only` is what a replica of these servers has in place of a recovery state.
    // A replica without `read_only` is common and safe behind the read-only default; a primary with it is no primary. What it
    // was found to be before is over all the same: one that was read-only for a while takes writes again.
    Ok(Facts {
        in_recovery: match told.read_only {
            true => Fact::Known(true),
            false => Fact::Unknown,
        },
        round_trip,
        server: told.started,
        started: told.started,
        address: told.address,
        ..Facts::default()
    })
}
