//! Pools of SQLite: one writer connection and a pool of readers on one WAL file.
//!
//! Readers are opened `mode=ro` *and* `query_only`: the first still lets an attached file be written, the second still
//! lets a checkpoint run, together they refuse both. A database in memory has one connection for everything, because
//! a reader beside it waits without limit while a write transaction is open.

use sea_orm::{
    ConnectOptions, DbErr, SqlxSqliteConnector,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use super::{silent, tuned};
use crate::{
    config::{Config, NodeConfig},
    node::Link,
    words::Role,
};

pub(super) async fn open(config: &Config, node: &NodeConfig) -> Result<Link, DbErr> {
    let mut options = tuned(config, node);
    let replica = node.role() == Role::Replica;
    let memory = is_memory(&node.url.without_password());
    let wal = !replica && !memory && !config.keep_journal_mode;
    let adapt = move |file: SqliteConnectOptions| match (replica, wal) {
        (true, _) => file
            .read_only(true)
            .create_if_missing(false)
            .pragma("query_only", "on"),
        (false, true) => file.journal_mode(SqliteJournalMode::Wal),
        (false, false) => file,
    };
    match &config.connect_options {
        None => options.map_sqlx_sqlite_opts(adapt),
        Some(template) => {
            let ready = adapt(read_back(template).await?);
            options.map_sqlx_sqlite_opts(move |_| ready.clone())
        }
    };
    if replica {
        options.max_connections(config.replica_max_connections);
    } else {
        // One writer: two would only meet in SQLITE_BUSY. It is never closed while idle, because the last connection
        // to go takes the WAL with it, and a database in memory itself.
        options
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
    }
    let connection = SqlxSqliteConnector::connect(options).await?;
    let pool = connection.get_sqlite_connection_pool().clone();
    Ok(Link::Sqlite(pool, connection))
}

/// Whether this URL names a database in memory.
pub(crate) fn is_memory(url: &str) -> bool {
    let rest = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let (file, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    file.is_empty()
        || file == ":memory:"
        || parameters
            .split('&')
            .any(|parameter| parameter == "mode=memory")
}

/// The caller's options as sqlx sees them after the caller's closures. SQLite's connector asks for the server's
/// version, so this opens the file once.
async fn read_back(template: &ConnectOptions) -> Result<SqliteConnectOptions, DbErr> {
    let connection = SqlxSqliteConnector::connect(silent(template.clone())).await?;
    let pool = connection.get_sqlite_connection_pool();
    let options = pool.connect_options().as_ref().clone();
    pool.close().await;
    Ok(options)
}
