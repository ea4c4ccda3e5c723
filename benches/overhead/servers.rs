//! Where the statements go: URLs, whatever keeps the servers behind them alive, and connections to them.

use std::any::Any;
use std::env;
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use sealane_harness::Cluster;

use crate::Result;

/// One primary and its replicas; they end when this is dropped.
pub(crate) struct Servers {
    pub(crate) name: &'static str,
    pub(crate) primary: String,
    pub(crate) replicas: Vec<String>,
    _alive: Option<Box<dyn Any>>,
}

impl Servers {
    /// Where reads go: the bare arms read from the replica that the router chooses, so that only the router differs.
    pub(crate) fn reader(&self) -> &str {
        self.replicas.first().unwrap_or(&self.primary)
    }
}

/// A file in write-ahead mode.
pub(crate) fn sqlite() -> Result<Servers> {
    let folder = tempfile::tempdir()?;
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("bench.db").display()
    );
    Ok(Servers {
        name: "sqlite",
        primary: url,
        replicas: vec![],
        _alive: Some(Box::new(folder)),
    })
}

/// A server of our own, or those of `SEALANETEST_BENCH_URL`: the primary and, behind commas, replicas.
pub(crate) fn postgres() -> Result<Servers> {
    if let Ok(urls) = env::var("SEALANETEST_BENCH_URL") {
        let mut urls = urls.split(',').map(|url| url.trim().to_owned());
        let primary = urls.next().unwrap_or_default();
        return Ok(Servers {
            name: "postgres",
            primary,
            replicas: urls.collect(),
            _alive: None,
        });
    }
    let cluster = Cluster::builder().standbys(1).start()?;
    Ok(Servers {
        name: "postgres",
        primary: cluster.primary().url(),
        replicas: vec![cluster.standby(0).url()],
        _alive: Some(Box::new(cluster)),
    })
}

/// The options that the router gives its pools (the defaults of `SEALANE_MAX_CONNECTIONS`, `SEALANE_PING_AFTER_IDLE`
/// and their like), so that the bare arm differs by the router alone.
pub(crate) fn same_options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(10)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(Duration::from_secs(600))
        .max_lifetime(Duration::from_secs(1_800))
        .test_before_acquire_if_idle_for(Duration::from_secs(10));
    options
}

/// A bare connection with the router's pool options.
pub(crate) async fn bare(servers: &Servers) -> Result<DatabaseConnection> {
    Ok(Database::connect(same_options(servers.reader())).await?)
}

/// A bare connection as SeaORM makes it when nothing is said.
pub(crate) async fn defaults(servers: &Servers) -> Result<DatabaseConnection> {
    Ok(Database::connect(ConnectOptions::new(servers.reader())).await?)
}

/// A bare connection that does not connect: for decisions, which need a node and never a server.
pub(crate) async fn lazy(url: &str) -> Result<DatabaseConnection> {
    let mut options = same_options(url);
    options.min_connections(0).connect_lazy(true);
    Ok(Database::connect(options).await?)
}
