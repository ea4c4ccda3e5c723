//! What the caller's `ConnectOptions` say, read and changed.

use std::time::Duration;

use log::LevelFilter;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::DbErr;
use sea_orm::{ConnectOptions, DbBackend};

use crate::{
    config::{Config, NodeConfig, NodeUrl},
    vocabulary::Role,
};

/// The template with the configuration's sizes and time-outs, which hold the template's own where it has any.
pub(super) fn tuned(config: &Config, node: &NodeConfig) -> ConnectOptions {
    let mut options = match &config.connect_options {
        Some(template) => template.clone(),
        None => ConnectOptions::new(node.url.without_password()),
    };
    quiet(&mut options);
    let max = match node.role() {
        Role::Replica => config.replica_max_connections,
        _ => config.max_connections,
    };
    options
        .max_connections(max)
        .min_connections(kept_by_sqlx(config, node))
        // Whoever waits less waits beside: the pool would throw away what it was opening.
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.max_lifetime)
        .connect_lazy(true);
    match config.ping_after_idle {
        None => options.test_before_acquire(false),
        Some(Duration::ZERO) => options.test_before_acquire(true),
        Some(idle) => options.test_before_acquire_if_idle_for(idle),
    };
    if let Some(limit) = config.statement_timeout {
        options.statement_timeout(limit);
    }
    options
}

/// SeaORM logs each statement at `info` unless told otherwise, and its default cannot be told from a wish for it. Here
/// statements are silent above `debug`; any other level of the caller's stands.
fn quiet(options: &mut ConnectOptions) {
    if options.get_sqlx_logging_level() == LevelFilter::Info {
        options.sqlx_logging_level(LevelFilter::Debug);
    }
}

/// How many connections sqlx keeps open by itself. Of a server none: for each connection that breaks it starts a task
/// that goes on connecting for five minutes, also after the pool was closed, so a dead node would never be left alone.
/// The cluster's task keeps the pools of nodes that answer filled instead (see `NodePool::fill`).
fn kept_by_sqlx(config: &Config, node: &NodeConfig) -> u32 {
    match node.url.backend() {
        DbBackend::Sqlite => config.min_connections,
        _ => 0,
    }
}

/// The template with nothing that connects: to be built, read back and thrown away.
pub(super) fn silent(mut template: ConnectOptions) -> ConnectOptions {
    quiet(&mut template);
    template
        .connect_lazy(true)
        .min_connections(0)
        .after_connect(|_| Box::pin(async { Ok(()) }));
    template
}

/// The URL that the caller's template was made with, as far as it can be read.
pub(super) fn url_of(template: &ConnectOptions) -> Option<NodeUrl> {
    NodeConfig::primary(template.get_url())
        .ok()
        .map(|node| node.url)
}

/// A parameter of a node's URL that the driver cannot read.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn unread(key: &str, err: impl std::fmt::Display) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::Internal(format!(
        "the URL's parameter {key} cannot be read: {err}"
    )))
}

/// The password in a URL that the driver made of its options.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn password_in(url: &str) -> Option<String> {
    let url = NodeConfig::primary(url).ok()?.url;
    url.password().map(str::to_owned)
}

/// Options that had to be made anew log as the template says.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn logged<O: sea_orm::sqlx::ConnectOptions>(options: O, template: &ConnectOptions) -> O {
    if !template.get_sqlx_logging() {
        return options.disable_statement_logging();
    }
    let (level, threshold) = template.get_sqlx_slow_statements_logging_settings();
    let options = options.log_statements(template.get_sqlx_logging_level());
    match level.to_level() {
        Some(_) => options.log_slow_statements(level, threshold),
        None => options,
    }
}

/// A certificate or key as the driver's URL writes it, which the driver itself could not read back.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) enum Certificate {
    File(String),
    Pem(String),
}

/// Takes the certificates and keys out of a URL that the driver made of its options.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn take_certificates(url: &mut url::Url) -> Vec<(String, Certificate)> {
    const NAMES: [&str; 6] = [
        "sslrootcert",
        "sslcert",
        "sslkey",
        "ssl-ca",
        "ssl-cert",
        "ssl-key",
    ];
    let (taken, kept): (Vec<_>, Vec<_>) = url
        .query_pairs()
        .into_owned()
        .partition(|(key, _)| NAMES.contains(&key.as_str()));
    url.query_pairs_mut().clear().extend_pairs(kept);
    let certificate = |(key, value): (String, String)| {
        let certificate = match value.strip_prefix("file: ") {
            Some(path) => Certificate::File(path.to_owned()),
            None => Certificate::Pem(value),
        };
        (key, certificate)
    };
    taken.into_iter().map(certificate).collect()
}
