//! Finds out whether a pooler in transaction mode stands before a server, before anything is prepared there (rule I8).
//!
//! Such a pooler cannot be asked. But behind one, two connections that are open at one time are seen to have one process
//! of the server, or one connection is seen to change its own; neither happens where each client has one of its own. Where
//! the server sees the very ends of our socket nothing stands between, which costs one question and no connection.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use sea_orm::{
    DbErr,
    sqlx::{self, Connection, PgConnection, Row, postgres::PgRow},
};

use super::{
    Node, asking,
    open::connect_postgres,
    sockets::{Ends, Socket},
};
use crate::{
    causality::unresolved::Backend,
    config::{Config, NodeConfig},
    signal::may_show_sharing,
    vocabulary::Flavour,
};

/// Asks for the server's process and, as far as it sees them, the two ends of the connection to it.
const WHO: &str = "SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8, \
     pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
     pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port() \
     FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// Shows what the pooler called this very statement at the server.
const CALLED: &str =
    "SELECT name FROM pg_catalog.pg_prepared_statements WHERE statement LIKE '%sealane calls%'";

/// How the driver calls what it prepares.
const OWN_NAME: &str = "sqlx_s_";

/// How often the two connections are compared: others may take a connection between two questions.
const ROUNDS: usize = 3;

/// What a statement showed is looked at once in this time, however many show it: a caller may have what is prepared forgotten
/// as well.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Node {
    /// Looks for a pooler that began to share connections, since a statement's error shows one: before the statement is sent
    /// again. The monitor would find it when it next connects, and by then statements would have failed. Whether there is one
    /// behind which the statement has to run otherwise.
    pub(crate) async fn look_for_pooler(&self, config: &Config, shown: &DbErr) -> bool {
        let Some(node) = self.direct.as_ref().filter(|_| may_show_sharing(shown)) else {
            return false;
        };
        let sharing = config.found.sharing(node.url.without_password());
        let look = sharing.look(LOOK_EVERY, async || {
            if let Ok(mut conn) = connect_postgres(config, node, "sealane-look").await {
                find(config, node, &mut conn).await;
                let _ = conn.close().await;
            }
        });
        // In vain it is a statement that may fail.
        let _ = tokio::time::timeout(config.connect_timeout, look).await;
        self.link.needs_blocks()
    }
}

/// Looks from this connection, and from a second one where that is needed. What cannot be told stays as it is.
pub(crate) async fn find(config: &Config, node: &NodeConfig, conn: &mut PgConnection) {
    let sharing = config.found.sharing(node.url.without_password());
    if sharing.is_shared() {
        return;
    }
    // What goes wrong on these connections is found by whoever uses them.
    let found = match config.flavour {
        // Whoever knows it need not be shown it.
        Flavour::Pooler => tells_apart(conn).await.map(Some),
        _ => look(config, node, conn).await,
    };
    let Ok(Some(prepares)) = found else {
        return;
    };
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
) -> Result<Option<bool>, sqlx::Error> {
    let first = who(conn).await?;
    if first.ends.and_then(Socket::with).is_some() {
        return Ok(None);
    }
    let Ok(mut other) = connect_postgres(config, node, "sealane-look").await else {
        return Ok(None);
    };
    let mut shared = false;
    for _ in 0..ROUNDS {
        let beside = who(&mut other).await?;
        let again = who(conn).await?;
        shared |= beside.backend == again.backend || first.backend != again.backend;
    }
    let _ = other.close().await;
    match shared {
        true => tells_apart(conn).await.map(Some),
        false => Ok(None),
    }
}

/// What a server said of a connection.
struct Who {
    backend: Backend,
    ends: Option<Ends>,
}

async fn who(conn: &mut PgConnection) -> Result<Who, sqlx::Error> {
    let row = asking::row(conn, WHO).await?;
    let (pid, started) = (row.try_get(0)?, row.try_get(1)?);
    let ends = end(&row, 2, 3).zip(end(&row, 4, 5));
    Ok(Who {
        backend: Backend { pid, started },
        ends: ends.map(|(own, peer)| Ends { own, peer }),
    })
}

fn end(row: &PgRow, addr: usize, port: usize) -> Option<SocketAddr> {
    let addr: IpAddr = row.try_get::<&str, _>(addr).ok()?.parse().ok()?;
    let port = u16::try_from(row.try_get::<i32, _>(port).ok()?).ok()?;
    Some(SocketAddr::new(addr.to_canonical(), port))
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
