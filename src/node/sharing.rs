//! Finds out whether a pooler in transaction mode stands before a server, before anything is prepared there (rule I8).
//!
//! Such a pooler cannot be asked. But behind one, two connections that are open at one time are seen to have one process
//! of the server, or one connection is seen to change its own; neither happens where each client has one of its own. Where
//! the server sees the very ends of our socket nothing stands between, which costs one question and no connection.

use std::{fmt, net::SocketAddr};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::sqlx::{self, Connection, PgConnection, Row, postgres::PgRow};

use super::{asking, door::Stranger, open::connect_postgres, pgpool, seen::Seen};
use crate::{
    causality::unresolved::Backend,
    config::{Config, NodeConfig, Sharing},
    vocabulary::Flavour,
};

/// The server's process and, as far as it sees them, the two ends of the connection to it; behind that, a condition.
macro_rules! who {
    ($condition:literal) => {
        concat!(
            "SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8, \
             pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
             pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(), \
             pg_catalog.current_setting('extra_float_digits', true) \
             FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())",
            $condition
        )
    };
}

const WHO: &str = who!("");

/// Asks that of whichever server takes writes, where something sends other questions elsewhere: a volatile function is called.
const WHO_WRITES: &str = who!(" WHERE pg_catalog.random() < 2");

/// Shows what the pooler called this very statement at the server.
const CALLED: &str =
    "SELECT name FROM pg_catalog.pg_prepared_statements WHERE statement LIKE '%sealane calls%'";

/// How the driver calls what it prepares.
const OWN_NAME: &str = "sqlx_s_";

/// How often the two connections are compared: others may take a connection between two questions.
const ROUNDS: usize = 3;

/// How whoever opens a connection has it looked what stands between, on connections beside that one.
pub(crate) struct Looker(Config, NodeConfig);

impl Looker {
    pub(super) fn new(config: &Config, node: &NodeConfig) -> Self {
        Self(config.clone(), node.clone())
    }

    /// Looks, for as long as connecting may take. In vain the monitor does it when it next connects.
    pub(super) fn look(&self) -> BoxFuture<'_, Result<(), Stranger>> {
        let Self(config, node) = self;
        let look = async move {
            let Ok(mut conn) = connect_postgres(config, node, "sealane-look").await else {
                return Ok(());
            };
            let found = find(config, node, &mut conn).await;
            let _ = conn.close().await;
            found
        };
        async move {
            let looked = tokio::time::timeout(config.connect_timeout, look).await;
            looked.unwrap_or(Ok(()))
        }
        .boxed()
    }
}

impl fmt::Debug for Looker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Looker")
    }
}

/// Looks from this connection, and from a second one where that is needed. What cannot be told stays as it is. A connection
/// whose statements go to several servers is refused.
pub(crate) async fn find(
    config: &Config,
    node: &NodeConfig,
    conn: &mut PgConnection,
) -> Result<(), Stranger> {
    let sharing = config.found.sharing(node.url.without_password());
    // What else goes wrong on these connections is found by whoever uses them.
    let first = who(conn, WHO).await.ok();
    let first = first.filter(|who| !who.seen.as_ref().is_some_and(Seen::is_direct));
    let mut own = Vec::new();
    if let Some(first) = &first {
        match keeps_to_one(&sharing, conn, first).await {
            Ok(seen) => own = seen,
            Err(sqlx::Error::Configuration(_)) => return Err(Stranger::Balances),
            Err(_) => return Ok(()),
        }
    }
    if !sharing.is_shared() {
        let found = match config.flavour {
            // Whoever knows it need not be shown it.
            Flavour::Pooler => tells_apart(conn).await.map(Some),
            _ if first.is_none() => return Ok(()),
            _ => look(config, node, conn, own).await,
        };
        match found {
            Ok(Some(prepares)) => share(&sharing, node, prepares),
            Ok(None) => {}
            Err(_) => return Ok(()),
        }
    }
    if let Some(seen) = first.and_then(|first| first.seen) {
        sharing.know_from(seen.place());
    }
    Ok(())
}

/// Refuses a connection whose statements go to several servers; else the processes that it has shown.
async fn keeps_to_one(
    sharing: &Sharing,
    conn: &mut PgConnection,
    first: &Who,
) -> Result<Vec<Backend>, sqlx::Error> {
    let mut met = vec![first.backend];
    let mut odd = false;
    // Where a pooler shares connections, two statements may meet two servers without that.
    if !sharing.is_shared() {
        let writes = who(conn, WHO_WRITES).await?;
        met.push(writes.backend);
        odd = writes.server() != first.server();
    }
    let place = first.seen.as_ref().map(Seen::place);
    if odd || !place.is_some_and(|place| sharing.is_known_from(&place)) {
        pgpool::refuse(conn).await?;
    }
    Ok(met)
}

/// Notes the pooler, and tells of it once.
fn share(sharing: &Sharing, node: &NodeConfig, prepares: bool) {
    if !sharing.mark_shared(prepares) {
        return;
    }
    let address = node.url.whole_address();
    match prepares {
        true => tracing::info!(
            address,
            "a pooler in transaction mode answers here that tells prepared statements apart"
        ),
        false => tracing::warn!(
            address,
            "a pooler in transaction mode answers here that does not tell clients' prepared statements apart: each \
             statement gets a transaction of its own, which costs two round trips more, a stream outside of a transaction \
             is refused, and what runs through concrete() may meet another client's statements; set pool_mode = session, \
             or max_prepared_statements (PgBouncer 1.21 and later)"
        ),
    }
}

/// Nothing where no pooler in transaction mode was met; else whether it tells prepared statements apart.
async fn look(
    config: &Config,
    node: &NodeConfig,
    conn: &mut PgConnection,
    mut own: Vec<Backend>,
) -> Result<Option<bool>, sqlx::Error> {
    // Nothing was seen then, and the next connection has it looked again.
    let other = connect_postgres(config, node, "sealane-look").await;
    let mut other = other.map_err(|_| sqlx::Error::PoolClosed)?;
    let mut others = Vec::new();
    for _ in 0..ROUNDS {
        others.push(who(&mut other, WHO).await?.backend);
        // Twice: behind a pooler that takes its processes in turn, two that look at one time go in step, and would each meet the
        // same ones for ever.
        own.push(who(conn, WHO).await?.backend);
        own.push(who(conn, WHO).await?.backend);
    }
    let changes = |met: &[Backend]| met.iter().any(|one| *one != met[0]);
    let shared = changes(&own) || changes(&others) || own.contains(&others[0]);
    let _ = other.close().await;
    match shared {
        true => tells_apart(conn).await.map(Some),
        false => Ok(None),
    }
}

/// What a server said of a connection.
struct Who {
    backend: Backend,
    seen: Option<Seen>,
}

impl Who {
    fn server(&self) -> Option<SocketAddr> {
        self.seen.as_ref()?.server()
    }
}

async fn who(conn: &mut PgConnection, question: &'static str) -> Result<Who, sqlx::Error> {
    let row = asking::row(conn, question).await?;
    let (pid, started) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Who {
        backend: Backend { pid, started },
        seen: Seen::of(&row, 2),
    })
}

/// Whether the pooler gives each client's prepared statements names of their own.
async fn tells_apart(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    asking::done(conn, "BEGIN").await?;
    let called = sqlx::query(CALLED).fetch_optional(&mut *conn).await;
    if called.as_ref().is_ok_and(|row| !is_renamed(row.as_ref())) {
        // Or another client would run this for its own first statement.
        asking::done(conn, "DEALLOCATE ALL").await?;
    }
    asking::done(conn, "ROLLBACK").await?;
    let apart = match called {
        Ok(row) => is_renamed(row.as_ref()),
        // Another client has one of that name there.
        Err(sqlx::Error::Database(_)) => false,
        Err(err) => return Err(err),
    };
    conn.clear_cached_statements().await?;
    Ok(apart)
}

/// Whether the statement has another name at the server than the driver gave it.
fn is_renamed(row: Option<&PgRow>) -> bool {
    let name = row.and_then(|row| row.try_get::<String, _>(0).ok());
    name.is_some_and(|name| !name.starts_with(OWN_NAME))
}
