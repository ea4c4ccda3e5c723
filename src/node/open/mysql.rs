//! Pools of MariaDB and MySQL nodes.

pub(crate) mod greet;
mod pointed;

use std::sync::Arc;

use sea_orm::{
    DbErr, SqlxMySqlConnector,
    sqlx::{ConnectOptions as _, MySqlConnection, MySqlPool, mysql::MySqlConnectOptions},
};

use self::{
    greet::hooked,
    pointed::{parsed, retargeted, with_password},
};
use super::{
    credentials::{credentials_of, logged_in},
    template::tuned,
};
use crate::{
    config::{Config, NodeConfig},
    credentials::{Credentials, Login, TakesCredentials},
    node::{
        NodePool, PoolState,
        door::{Door, Guide, PoolPurpose},
    },
};

pub(super) async fn open(
    config: &Config,
    node: &NodeConfig,
    door: &Arc<Door>,
) -> Result<NodePool, DbErr> {
    let mut options = tuned(config, node);
    let purpose = PoolPurpose::of(config, node);
    let (guide, read_only) = (Guide::new(door, purpose), purpose.read_only_default);
    let credentials = credentials_of(config, node);
    let signed = match &credentials {
        Some(from) => Some(Login::new(from).credentials().await?),
        None => None,
    };
    match &config.connect_options {
        None => {
            let url = node.url.clone();
            options.map_sqlx_mysql_opts(move |base| {
                signed_in(with_password(base, &url), signed.as_ref())
            });
        }
        Some(template) => {
            let ready = signed_in(retargeted(template, node).await?, signed.as_ref());
            options.map_sqlx_mysql_opts(move |_| ready.clone());
        }
    }
    // Nobody can look into a caller's options, and SeaORM itself puts nothing there.
    let free_slot = config.has_free_slots();
    if read_only || free_slot {
        // One slot for a function over the pool's options, and one for what runs after connecting: on a replica the
        // read-only default takes both. Sizes and time-outs are in `options`; a caller's pool closure is not, and is
        // documented.
        let guide = Arc::clone(&guide);
        options.map_sqlx_mysql_pool_opts(move |base| hooked(base, &guide, read_only, None));
    }
    let connection = SqlxMySqlConnector::connect(options).await?;
    let pool = connection.get_mysql_connection_pool().clone();
    let state = PoolState::with_slot(free_slot && !read_only)
        .with_credentials(credentials.as_ref(), taker(&pool));
    Ok(NodePool::MySql(pool, connection, guide, state))
}

/// Opens a connection of our own beside the pool, for probes. What is asked there is nobody's statement.
pub(crate) async fn connect(config: &Config, node: &NodeConfig) -> Result<MySqlConnection, DbErr> {
    let options = direct(config, node).await?.disable_statement_logging();
    logged_in(credentials_of(config, node), options, signed_in).await
}

/// Where such a connection leads and how, by what the configuration says.
pub(crate) async fn direct(
    config: &Config,
    node: &NodeConfig,
) -> Result<MySqlConnectOptions, DbErr> {
    match &config.connect_options {
        None => parsed(&node.url),
        Some(template) => retargeted(template, node).await,
    }
}

/// These options, logging in with these credentials.
fn signed_in(options: MySqlConnectOptions, with: Option<&Credentials>) -> MySqlConnectOptions {
    let Some(with) = with else {
        return options;
    };
    let options = match &with.user {
        Some(user) => options.username(user),
        None => options,
    };
    options.password(&with.password)
}

/// What lets a pool log in with other credentials from then on.
pub(in crate::node) fn taker(pool: &MySqlPool) -> Arc<dyn TakesCredentials> {
    struct Taker(MySqlPool);
    impl TakesCredentials for Taker {
        fn take(&self, credentials: &Credentials) {
            let options = self.0.connect_options().as_ref().clone();
            self.0
                .set_connect_options(signed_in(options, Some(credentials)));
        }
    }
    Arc::new(Taker(pool.clone()))
}
