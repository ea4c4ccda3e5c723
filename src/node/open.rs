//! Opens a node's pool: the caller's `ConnectOptions` reach every node, with their closures.
//!
//! SeaORM builds the pool, so that whatever a `ConnectOptions` can say is said to it. Only the endpoint, the password
//! and the read-only default are put in afterwards, on sqlx's own options, through the one slot that SeaORM has for it.
//! When the caller uses that slot too, a template pool is built first, lazily and with nobody connected, and its
//! options are read back: they hold what the caller's closure did. On top comes what the node's URL says otherwise than
//! the template's (`NodeUrl::beside`), each parameter for itself.
//!
//! SeaORM never gets a URL with a password that came from our configuration: its errors, its `Debug` and a trace span
//! print it.

#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite has no logins")
)]
mod credentials;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod template;

use std::sync::Arc;

use sea_orm::{DbBackend, DbErr};

pub(crate) use self::credentials::logs_in_again;
#[cfg(feature = "mysql")]
pub(crate) use self::mysql::connect as connect_mysql;
#[cfg(feature = "mysql")]
pub(super) use self::mysql::taker as mysql_taker;
#[cfg(feature = "postgres")]
pub(super) use self::postgres::taker as postgres_taker;
#[cfg(feature = "postgres")]
pub(crate) use self::postgres::{beside::connect as connect_postgres, find_free_slot, port};
#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::is_memory;
#[cfg(feature = "postgres")]
#[cfg(all(test, feature = "mysql", feature = "postgres"))]
pub(crate) use self::{mysql::direct as direct_mysql, postgres::beside::direct as direct_postgres};
use super::{NodePool, door::Door};
use crate::config::{Config, NodeConfig};

/// Opens the pool of a node that the configuration names. Nothing connects yet but SQLite's version query and an
/// `after_connect` of the caller's.
pub(crate) async fn open(
    config: &Config,
    node: &NodeConfig,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(unused_variables, reason = "a file's connections lead to that file")
    )]
    door: &Arc<Door>,
) -> Result<NodePool, DbErr> {
    match node.url.backend() {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => postgres::open(config, node, door).await,
        #[cfg(feature = "mysql")]
        DbBackend::MySql => mysql::open(config, node, door).await,
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => sqlite::open(config, node).await,
        other => Err(DbErr::BackendNotSupported {
            db: other.as_str(),
            ctx: "this build of sealane: enable its feature",
        }),
    }
}
