//! Connections of our own beside a node's pools.

use sea_orm::{
    DbErr,
    sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions},
};

use super::pointed::{parsed, retargeted};
use crate::{
    config::{Config, NodeConfig},
    credentials::Credentials,
    node::open::credentials::{credentials_of, logged_in},
    vocabulary::Role,
};

/// A start-up parameter of every replica connection (rule I7).
const READ_ONLY_DEFAULT: (&str, &str) = ("default_transaction_read_only", "on");

/// Opens a connection of our own beside the pool, for probes and positions, under this name. What is asked there is nobody's
/// statement, and up to a thousand times a second: it is not logged at any level.
pub(crate) async fn connect(
    config: &Config,
    node: &NodeConfig,
    name: &str,
) -> Result<PgConnection, DbErr> {
    let read_only = config.fence && node.role() == Role::Replica;
    // As its pool's are, so that whatever refuses those says so here.
    let options = with_read_only_default(direct(config, node).await?, read_only);
    let options = options.application_name(name);
    let options = options.disable_statement_logging();
    logged_in(credentials_of(config, node), options, signed_in).await
}

/// Where such a connection leads and how, by what the configuration says.
pub(crate) async fn direct(config: &Config, node: &NodeConfig) -> Result<PgConnectOptions, DbErr> {
    match &config.connect_options {
        None => parsed(&node.url),
        Some(template) => retargeted(config, template, node).await,
    }
}

/// These options, logging in with these credentials.
pub(super) fn signed_in(options: PgConnectOptions, with: Option<&Credentials>) -> PgConnectOptions {
    let Some(with) = with else {
        return options;
    };
    let options = match &with.user {
        Some(user) => options.username(user),
        None => options,
    };
    options.password(&with.password)
}

/// The read-only default is a start-up parameter, because RESET and DISCARD ALL restore those; a later `SET` they would
/// drop (I7).
pub(super) fn with_read_only_default(
    options: PgConnectOptions,
    read_only: bool,
) -> PgConnectOptions {
    if read_only {
        options.options([READ_ONLY_DEFAULT])
    } else {
        options
    }
}
