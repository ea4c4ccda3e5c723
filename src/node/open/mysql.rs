//! Pools of MariaDB and MySQL nodes.

mod pointed;

use sea_orm::{
    DbErr, SqlxMySqlConnector,
    sqlx::{Executor, MySql, mysql::MySqlConnectOptions, pool::PoolOptions},
};

use self::pointed::{parsed, retargeted, with_password};
use super::tuned;
use crate::{
    config::{Config, NodeConfig},
    node::{Lent, NodePool},
    vocabulary::Role,
};

/// The first statement of every replica connection (rule I7).
const FENCE: &str = "SET SESSION TRANSACTION READ ONLY";

pub(super) async fn open(config: &Config, node: &NodeConfig) -> Result<NodePool, DbErr> {
    let mut options = tuned(config, node);
    match &config.connect_options {
        None => {
            let url = node.url.clone();
            options.map_sqlx_mysql_opts(move |base| with_password(base, &url));
        }
        Some(template) => {
            let ready = retargeted(template, node).await?;
            options.map_sqlx_mysql_opts(move |_| ready.clone());
        }
    }
    let fence = config.fence && node.role() == Role::Replica;
    if fence {
        // One slot for a function over the pool's options, and one for what runs after connecting: on a replica the
        // fence takes both. Sizes and time-outs are in `options`; a caller's pool closure is not, and is documented.
        options.map_sqlx_mysql_pool_opts(fenced);
    }
    let connection = SqlxMySqlConnector::connect(options).await?;
    let pool = connection.get_mysql_connection_pool().clone();
    // Nobody can look into a caller's options, and SeaORM itself puts nothing there.
    let free_slot = config.connect_options.is_none() && !fence;
    Ok(NodePool::MySql(
        pool,
        connection,
        Lent::with_slot(free_slot),
    ))
}

/// Options for a connection of our own beside the pool, for probes.
pub(crate) async fn direct(
    config: &Config,
    node: &NodeConfig,
) -> Result<MySqlConnectOptions, DbErr> {
    match &config.connect_options {
        None => parsed(&node.url),
        Some(template) => retargeted(template, node).await,
    }
}

/// MariaDB and MySQL have no start-up parameter for it, so the fence is the first statement of each connection (I7).
fn fenced(options: PoolOptions<MySql>) -> PoolOptions<MySql> {
    options.after_connect(|conn, _| Box::pin(async move { conn.execute(FENCE).await.map(drop) }))
}
