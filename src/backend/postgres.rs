//! PostgreSQL: the fence and the probe.

use std::time::Instant;

use sea_orm::{
    DbErr,
    sqlx::{self, ConnectOptions, PgConnection, Row},
};

use super::{Facts, Wire};
use crate::{
    config::{Config, NodeConfig},
    error::Kind,
    node::open::direct_postgres,
};

/// Back to the start-up parameter, whatever the session was told since.
pub(crate) const RESTORE_FENCE: &str = "RESET default_transaction_read_only";

/// Role, identity and fitness in one statement that any role may run.
const PROBE: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
     (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), \
     pg_catalog.current_setting('default_transaction_isolation')";

/// Asks on the kept connection, or on a fresh one.
pub(super) async fn probe(
    config: &Config,
    node: &NodeConfig,
    wire: &mut Wire,
) -> Result<Facts, DbErr> {
    if let Wire::Postgres(conn) = wire
        && let Ok(facts) = ask(conn).await
    {
        return Ok(facts);
    }
    let options = direct_postgres(config, node)
        .await?
        .application_name("sealane-probe")
        .disable_statement_logging();
    let mut conn = options
        .connect()
        .await
        .map_err(|err| Kind::Conn.of_sqlx(err))?;
    let facts = ask(&mut conn)
        .await
        .map_err(|err| Kind::Query.of_sqlx(err))?;
    *wire = Wire::Postgres(conn);
    Ok(facts)
}

async fn ask(conn: &mut PgConnection) -> Result<Facts, sqlx::Error> {
    let started = Instant::now();
    let row = sqlx::query(PROBE).fetch_one(conn).await?;
    let round_trip = started.elapsed();
    Ok(Facts {
        in_recovery: row.try_get(0)?,
        cluster: row.try_get::<String, _>(1)?.parse().ok(),
        unfit: unfit(row.try_get(2)?),
        round_trip,
    })
}

/// A standby refuses every statement of a serializable transaction, also plain reads.
fn unfit(isolation: String) -> Option<String> {
    (isolation == "serializable").then(|| {
        "default_transaction_isolation is serializable, and a standby refuses every statement then; set it to \
         `repeatable read` or lower for this role"
            .to_owned()
    })
}
