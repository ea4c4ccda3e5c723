//! Whether the pool's one slot for what runs on a new connection can be had.
//!
//! A caller's closure over sqlx's pool options may hold it, and nobody can look into that closure or into the options
//! that it returns. But SeaORM puts the search path of its own options into that slot before it calls the closure: so a
//! connection is opened with a search path that nobody has, and where it has another one, the slot is the caller's.
//! Asked once for a configuration, of whichever node answers first.

use std::time::Duration;

use futures_util::{FutureExt, future::select_ok};
use sea_orm::{
    ConnectOptions, DbErr, SqlxPostgresConnector,
    sqlx::{
        self,
        postgres::{PgConnectOptions, PgPoolOptions},
    },
};

use super::pointed::retargeted;
use crate::{
    config::{Config, NodeConfig, Slot},
    error::DbErrKind,
    node::{asking, open::template::silent},
};

/// A search path that nobody has, as SeaORM takes it and as the server shows it.
const MARK: &str = "\"sealane looks\"";

/// How long this may take: without an answer the slot counts as the caller's.
const LIMIT: Duration = Duration::from_secs(1);

/// Finds out whether the template's slot for new connections is free.
pub(crate) async fn find_free_slot(config: &Config, nodes: Vec<&NodeConfig>) {
    let Some(template) = &config.connect_options else {
        return;
    };
    let asking: Vec<_> = nodes
        .into_iter()
        .map(|node| slot(config, template, node).boxed())
        .collect();
    if asking.is_empty() {
        return;
    }
    if let Ok(Ok((slot, _))) = tokio::time::timeout(LIMIT, select_ok(asking)).await {
        config.found.set(slot);
    }
}

async fn slot(
    config: &Config,
    template: &ConnectOptions,
    node: &NodeConfig,
) -> Result<Slot, DbErr> {
    let ready = retargeted(config, template, node).await?;
    if path(template.clone(), &ready, Some(MARK)).await? != MARK {
        return Ok(Slot::Taken);
    }
    // SeaORM has no reader for it, but shows whether there is one; its words are the server's to tell.
    let none = format!("{template:?}").contains("schema_search_path: None");
    Ok(Slot::Free(match none {
        true => None,
        false => Some(path(template.clone(), &ready, None).await?),
    }))
}

/// The search path of a connection that is opened by these options.
async fn path(
    template: ConnectOptions,
    ready: &PgConnectOptions,
    mark: Option<&str>,
) -> Result<String, DbErr> {
    let mut options = silent(template);
    if let Some(mark) = mark {
        options.set_schema_search_path(mark);
    }
    let ready = ready.clone();
    options
        .acquire_timeout(LIMIT)
        .map_sqlx_postgres_opts(move |_| ready.clone());
    let connection = SqlxPostgresConnector::connect(options).await?;
    let pool = connection.get_postgres_connection_pool();
    let shown = async {
        let mut conn = pool.acquire().await?;
        let row = asking::row(&mut conn, "SHOW search_path").await?;
        conn.close().await?;
        sqlx::Row::try_get(&row, 0)
    };
    shown.await.map_err(|err| DbErrKind::Conn.of_sqlx(err))
}

/// The pool's options as SeaORM and the caller's closure make them.
pub(super) async fn made(options: &ConnectOptions) -> Result<PgPoolOptions, DbErr> {
    let connection = SqlxPostgresConnector::connect(silent(options.clone())).await?;
    let pool = connection.get_postgres_connection_pool();
    Ok(pool.options().clone())
}
