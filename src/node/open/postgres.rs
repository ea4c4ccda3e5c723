//! Pools of PostgreSQL nodes.

mod pointed;
mod slot;

use std::sync::Arc;

use sea_orm::{
    DbErr, SqlxPostgresConnector,
    sqlx::{ConnectOptions as _, postgres::PgConnectOptions},
};

pub(crate) use self::slot::look;
use self::{
    pointed::{parsed, retargeted, with_password},
    slot::made,
};
use super::{silent, tuned};
use crate::{
    config::{Config, Discovery, NodeConfig, Slot},
    node::{
        Handed, Lent, NodePool,
        door::{Door, Guide},
        greet::hooked,
    },
    vocabulary::Role,
};

/// A start-up parameter of every replica connection (rule I7).
const FENCE: (&str, &str) = ("default_transaction_read_only", "on");

pub(super) async fn open(
    config: &Config,
    node: &NodeConfig,
    door: &Arc<Door>,
) -> Result<NodePool, DbErr> {
    let mut options = tuned(config, node);
    let fenced = config.fence && node.role() == Role::Replica;
    let guide = Guide::new(door, node.role() != Role::Replica, fenced);
    // Without replicas the application may be given this pool, as SeaORM gives it.
    let is_alone = config.replicas.is_empty() && config.discovery == Discovery::Static;
    let mut handed = None;
    let mut noted = |options: &PgConnectOptions| {
        handed = is_alone.then(|| Arc::new(Handed::to(port(options))));
        handed.clone()
    };
    match &config.connect_options {
        // SeaORM hands in what it made of the URL and the settings; the password and the fence are put on top.
        None => {
            let url = node.url.clone();
            options.map_sqlx_postgres_opts(move |base| fence(with_password(base, &url), fenced));
            let (guide, handed) = (Arc::clone(&guide), noted(&parsed(&node.url)?));
            options.map_sqlx_postgres_pool_opts(move |base| {
                hooked(base, &guide, None, handed.clone())
            });
        }
        Some(template) => {
            let ready = fence(retargeted(config, template, node).await?, fenced);
            let port_of = ready.clone();
            options.map_sqlx_postgres_opts(move |_| ready.clone());
            if let Some(Slot::Free(path)) = config.found.slot() {
                let (base, path) = (made(&options).await?, path.clone());
                let (guide, handed) = (Arc::clone(&guide), noted(&port_of));
                options.map_sqlx_postgres_pool_opts(move |_| {
                    hooked(base.clone(), &guide, path.clone(), handed.clone())
                });
            }
        }
    }
    let connection = SqlxPostgresConnector::connect(options).await?;
    let pool = connection.get_postgres_connection_pool().clone();
    guide.lead_to(port(&pool.connect_options()));
    // What was opened by now.
    guide.list();
    Ok(NodePool::Postgres(
        pool,
        connection,
        guide,
        Lent::noted(handed).with_plain(config.may_skip_pool()),
    ))
}

/// The port that connections by these options lead to; none where that is a socket of the file system.
pub(crate) fn port(options: &PgConnectOptions) -> Option<u16> {
    let local = options.get_socket().is_some() || options.get_host().starts_with('/');
    (!local).then(|| options.get_port())
}

/// Options for a connection of our own beside the pool, for probes and positions. What is asked there is nobody's
/// statement, and up to a thousand times a second: it is not logged at any level.
pub(crate) async fn direct(config: &Config, node: &NodeConfig) -> Result<PgConnectOptions, DbErr> {
    let options = match &config.connect_options {
        None => parsed(&node.url)?,
        Some(template) => retargeted(config, template, node).await?,
    };
    Ok(options.disable_statement_logging())
}

/// The fence is a start-up parameter, because RESET and DISCARD ALL restore those; a later `SET` they would drop (I7).
fn fence(options: PgConnectOptions, fenced: bool) -> PgConnectOptions {
    if fenced {
        options.options([FENCE])
    } else {
        options
    }
}
