//! A cluster of connections that the application made.

use std::{sync::Arc, time::Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbBackend};

use super::{Starting, settings::judging};
use crate::{
    causality::Clock,
    cluster::{name::ClusterName, shared::Shared, source::Source},
    config::Config,
    error::{Error, causes::TopologyProblem},
    intent::{Classifier, Knowledge},
    node::{NodePool, link},
};

/// A cluster of connections that the application made. Roles are as given; a server behind them is asked for its
/// catalog and for its state in the background.
///
/// # Errors
/// [`Error::Disconnected`] when one of them leads nowhere, [`Error::Topology`] when they are of different backends.
pub(crate) fn adopt(
    primary: DatabaseConnection,
    replicas: Vec<DatabaseConnection>,
) -> Result<Arc<Shared>, Error> {
    adopt_as(Config::adopted(), true, primary, replicas)
}

/// One pool of a cluster, for a callback of the application's: nothing is asked of it behind the callback's back.
pub(crate) fn alone(connection: DatabaseConnection) -> Result<Arc<Shared>, Error> {
    let mut config = Config::adopted();
    // The cluster itself may not have its name yet.
    config.cluster_name = "callback".to_owned();
    adopt_as(config, false, connection, Vec::new())
}

fn adopt_as(
    config: Config,
    may_ask: bool,
    primary: DatabaseConnection,
    replicas: Vec<DatabaseConnection>,
) -> Result<Arc<Shared>, Error> {
    let origin = Instant::now();
    let mut all = std::iter::once(&primary).chain(&replicas);
    if all.any(|one| matches!(one.inner, DatabaseConnectionType::Disconnected)) {
        return Err(Error::Disconnected);
    }
    let backend = ConnectionTrait::get_database_backend(&primary);
    if replicas
        .iter()
        .any(|replica| ConnectionTrait::get_database_backend(replica) != backend)
    {
        return Err(Error::Topology {
            why: TopologyProblem::SeveralBackends,
        });
    }
    let reads_catalog = may_ask && backend != DbBackend::Sqlite && link::is_live(&primary);
    let connections = std::iter::once(primary).chain(replicas);
    let sources = Source::all_adopted(connections.collect());
    let name = ClusterName::claim(&config.cluster_name);
    let _span = name.span().entered();
    let mut starting = Starting::new(&config, sources, backend, origin, name)?;
    starting.adopt();
    let knowledge = if reads_catalog {
        Knowledge::Awaited
    } else {
        Knowledge::Trusted
    };
    let classifier = Classifier::new(backend, judging(&config), knowledge);
    Ok(starting.run(
        config,
        classifier,
        Arc::new(Clock::default()),
        reads_catalog,
    ))
}

impl Starting {
    fn adopt(&mut self) {
        for (id, _, source) in self.sourced() {
            if let Some(connection) = source.connection().cloned() {
                self.nodes
                    .adopt(id, Arc::new(NodePool::Adopted(connection)), source);
            }
        }
    }
}
