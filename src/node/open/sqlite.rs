//! Pools of SQLite: one writer connection and a pool of readers on one WAL file.
//!
//! Readers are opened `mode=ro` *and* `query_only`: the first still lets an attached file be written, the second still
//! lets a checkpoint run, together they refuse both. A database in memory has one connection for everything, because
//! a reader beside it waits without limit while a write transaction is open.

use sea_orm::{
    ConnectOptions, DbErr, RuntimeErr, SqlxSqliteConnector,
    sqlx::{
        self,
        sqlite::{SqliteConnectOptions, SqliteJournalMode},
    },
};

use super::template::{silent, tuned, url_of};
use crate::{
    config::{Config, NodeConfig, NodeUrl, percent_decode},
    error::DbErrKind,
    node::{NodePool, PoolState},
    vocabulary::Role,
};

pub(super) async fn open(config: &Config, node: &NodeConfig) -> Result<NodePool, DbErr> {
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
            let ready = adapt(read_back(template, &node.url).await?);
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
    Ok(NodePool::Sqlite(pool, connection, PoolState::default()))
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

/// The caller's options as sqlx sees them after the caller's closures, on this node's file. SQLite's connector asks for
/// the server's version, and a template's URL cannot be changed, so this opens the file that the template names, once.
async fn read_back(
    template: &ConnectOptions,
    url: &NodeUrl,
) -> Result<SqliteConnectOptions, DbErr> {
    let base = url_of(template);
    let connection = SqlxSqliteConnector::connect(silent(template.clone()))
        .await
        .map_err(|err| match base.as_ref() == Some(url) {
            true => err,
            false => DbErr::Conn(RuntimeErr::Internal(format!(
                "the database that connect_options names cannot be opened, which is how its closures' work is read \
                 ({err}): name the same file as the primary, or sqlite::memory:"
            ))),
        })?;
    let pool = connection.get_sqlite_connection_pool();
    let options = pool.connect_options().as_ref().clone();
    pool.close().await;
    pointed(options, base.as_ref(), url)
}

/// What the node's URL says otherwise than the template's, on top of what SeaORM and the caller made of that.
fn pointed(
    mut options: SqliteConnectOptions,
    base: Option<&NodeUrl>,
    url: &NodeUrl,
) -> Result<SqliteConnectOptions, DbErr> {
    if !url.beside(base).address {
        return Ok(options);
    }
    let text = url.without_password();
    let plain: SqliteConnectOptions = text
        .parse()
        .map_err(|err: sqlx::Error| DbErrKind::Conn.of_sqlx(err))?;
    let memory = is_memory(&text);
    // A file shares no cache unless it says so, and a database in memory is nothing without: of the other kind, the
    // template cannot speak for it.
    let of_kind = base.is_some_and(|base| is_memory(&base.without_password()) == memory);
    options = options.filename(plain.get_filename()).in_memory(memory);
    if !of_kind {
        options = options.shared_cache(memory);
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        options = match (key, value) {
            ("mode", mode) => options
                .read_only(mode == "ro")
                .create_if_missing(mode == "rwc"),
            ("cache", cache) => options.shared_cache(cache == "shared"),
            ("immutable", value) => options.immutable(matches!(value, "true" | "1")),
            ("vfs", name) => options.vfs(percent_decode(name).unwrap_or_default()),
            _ => options,
        };
    }
    Ok(options)
}
