//! Pools of PostgreSQL nodes.

pub(super) mod beside;
mod pointed;
mod slot;

use std::sync::Arc;

use sea_orm::{
    DbErr, SqlxPostgresConnector,
    sqlx::{PgPool, postgres::PgConnectOptions},
};

pub(crate) use self::slot::find_free_slot;
use self::{
    beside::{signed_in, with_read_only_default},
    pointed::{parsed, retargeted, with_password},
    slot::made,
};
use super::{credentials::credentials_of, template::tuned};
use crate::{
    config::{Config, Discovery, NodeConfig, Slot},
    credentials::{Credentials, Login, NodeCredentials, TakesCredentials},
    node::{
        HandedConnections, NodePool, PoolState,
        door::{Door, Guide, PoolPurpose},
        greet::hooked,
        sharing::Looker,
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
    let signed = given(credentials.as_ref()).await?;
    // Before the first connection is asked.
    let sharing = config.found.sharing(node.url.without_password());
    guide.watch(sharing, Looker::new(config, node));
    // Without replicas the application may be given this pool, as SeaORM gives it.
    let is_alone = config.replicas.is_empty() && config.discovery == Discovery::Static;
    let mut handed = None;
    let mut noted = |options: &PgConnectOptions| {
        handed = is_alone.then(|| Arc::new(HandedConnections::to(port(options))));
        handed.clone()
    };
    match &config.connect_options {
        // SeaORM hands in what it made of the URL and the settings; the password and the read-only default are put on
        // top.
        None => {
            let url = node.url.clone();
            options.map_sqlx_postgres_opts(move |base| {
                with_read_only_default(
                    signed_in(with_password(base, &url), signed.as_ref()),
                    read_only,
                )
            });
            let (guide, handed) = (Arc::clone(&guide), noted(&parsed(&node.url)?));
            options.map_sqlx_postgres_pool_opts(move |base| {
                hooked(base, &guide, None, handed.clone())
            });
        }
        Some(template) => {
            let ready = retargeted(config, template, node).await?;
            let ready = with_read_only_default(signed_in(ready, signed.as_ref()), read_only);
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
    let state = PoolState::noted(handed).with_plain(config.may_skip_pool());
    let state = state.with_credentials(credentials.as_ref(), taker(&pool));
    Ok(NodePool::Postgres(pool, connection, guide, state))
}

/// The port that connections by these options lead to; none where that is a socket of the file system.
pub(crate) fn port(options: &PgConnectOptions) -> Option<u16> {
    let local = options.get_socket().is_some() || options.get_host().starts_with('/');
    (!local).then(|| options.get_port())
}

/// What a node's connections log in with now, where that changes.
async fn given(from: Option<&Arc<NodeCredentials>>) -> Result<Option<Credentials>, DbErr> {
    match from {
        Some(from) => Login::new(from).credentials().await.map(Some),
        None => Ok(None),
    }
}

/// What lets a pool log in with other credentials from then on.
pub(in crate::node) fn taker(pool: &PgPool) -> Arc<dyn TakesCredentials> {
    struct Taker(PgPool);
    impl TakesCredentials for Taker {
        fn take(&self, credentials: &Credentials) {
            let options = self.0.connect_options().as_ref().clone();
            self.0
                .set_connect_options(signed_in(options, Some(credentials)));
        }
    }
    Arc::new(Taker(pool.clone()))
}
