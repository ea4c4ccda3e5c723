//! MariaDB and MySQL: the probe.

mod replication;

use std::time::{Duration, Instant};

use sea_orm::{
    ConnAcquireErr, DbErr,
    sqlx::{self, MySqlConnection},
};

use self::replication::{Replication, SourceRights};
use super::{Advice, Facts};
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

/// Whether a transaction is over in which a lock's limit has passed: an option of the server's ends it with that, which nobody can
/// change while it runs. MariaDB says besides whether one is open, since a table's own lock ends the statement alone. No row where
/// there is no such option.
pub(super) const IS_OVER_AFTER_LIMIT: &str = "SELECT variable_value = 'ON' /*M!100000 AND NOT @@session.in_transaction */ FROM \
     /*M!100000 information_schema.global_variables */ /*!50720 performance_schema.global_variables */ \
     WHERE variable_name = 'innodb_rollback_on_timeout'";

/// How long a connection is kept: a new one may lead elsewhere, since names move.
const RENEW: Duration = Duration::from_secs(10);

/// A connection, and since when it is kept.
#[derive(Debug)]
pub(crate) struct KeptMySql {
    conn: MySqlConnection,
    tells: SourceRights,
    opened: Instant,
}

/// Opens one.
pub(super) async fn open(config: &Config, node: &NodeConfig) -> Result<KeptMySql, DbErr> {
    let conn = connect_mysql(config, node).await?;
    Ok(KeptMySql {
        conn,
        tells: SourceRights::default(),
        opened: Instant::now(),
    })
}

/// Asks on it. One that was kept for long fails, and with that another one is opened in its place.
pub(super) async fn probe(kept: &mut KeptMySql) -> Result<Facts, DbErr> {
    if kept.opened.elapsed() > RENEW {
        return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
    }
    let facts = ask(kept).await;
    facts.map_err(|err| DbErrKind::Query.of_sqlx(err))
}

async fn ask(kept: &mut KeptMySql) -> Result<Facts, sqlx::Error> {
    let started = Instant::now();
    let told = greet::ask(&mut kept.conn).await?;
    let round_trip = started.elapsed();
    let told_more = Replication::ask(&mut kept.conn, &mut kept.tells, told.read_only).await?;
    let replication = told_more.unwrap_or_default();
    // `read_only` is what a replica of these servers has in place of a recovery state.
    // A replica without `read_only` is common and safe behind the read-only default; a primary with it is no primary. What it
    // was found to be before is over all the same: one that was read-only for a while takes writes again.
    Ok(Facts {
        standing: replication.standing(),
        writers: replication.writers.clone(),
        receiver: replication.receiver,
        withheld: replication.withheld,
        position: replication.position(),
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
