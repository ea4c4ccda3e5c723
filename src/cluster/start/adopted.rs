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
    node::{NodePool, adopted::Adopted, link},
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
    let replicas = replicas.into_iter().map(Adopted::from).collect();
    Adoption::default().of(primary.into(), replicas)
}

/// A cluster for a test, which says what the replicas have.
///
/// # Errors
/// As [`adopt`].
#[cfg(feature = "testing")]
pub(crate) fn simulate(primary: Adopted, replicas: Vec<Adopted>) -> Result<Arc<Shared>, Error> {
    let simulating = Adoption {
        simulates: true,
        ..Adoption::default()
    };
    simulating.of(primary, replicas)
}

/// One pool of a cluster, for a callback of the application's: nothing is asked of it behind the callback's back.
pub(crate) fn alone(connection: DatabaseConnection) -> Result<Arc<Shared>, Error> {
    let mut config = Config::adopted();
    // The cluster itself may not have its name yet.
    config.cluster_name = "callback".to_owned();
    let alone = Adoption {
        config,
        may_ask: false,
        ..Adoption::default()
    };
    alone.of(connection.into(), Vec::new())
}

/// How connections are taken in.
struct Adoption {
    config: Config,
    /// Servers may be asked for their catalog.
    may_ask: bool,
    /// Positions are a test's.
    simulates: bool,
}

impl Default for Adoption {
    fn default() -> Self {
        Self {
            config: Config::adopted(),
            may_ask: true,
            simulates: false,
        }
    }
}

impl Adoption {
    fn of(self, primary: Adopted, replicas: Vec<Adopted>) -> Result<Arc<Shared>, Error> {
        let Self {
            config,
            may_ask,
            simulates,
        } = self;
        let origin = Instant::now();
        let backend = backend_of(&primary, &replicas)?;
        let reads_catalog =
            may_ask && backend != DbBackend::Sqlite && link::is_live(&primary.connection);
        let connections = std::iter::once(primary).chain(replicas);
        let sources = Source::all_adopted(connections.collect());
        let name = ClusterName::claim(&config.cluster_name);
        let _span = name.span().entered();
        let mut starting = Starting::new(&config, sources, backend, origin, name)?;
        starting.simulated = simulates;
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
}

/// The backend of them all.
fn backend_of(primary: &Adopted, replicas: &[Adopted]) -> Result<DbBackend, Error> {
    let mut all = std::iter::once(primary).chain(replicas);
    if all.any(|one| matches!(one.connection.inner, DatabaseConnectionType::Disconnected)) {
        return Err(Error::Disconnected);
    }
    let backend = ConnectionTrait::get_database_backend(&primary.connection);
    let differs = |one: &Adopted| ConnectionTrait::get_database_backend(&one.connection) != backend;
    match replicas.iter().any(differs) {
        true => Err(Error::Topology {
            why: TopologyProblem::SeveralBackends,
        }),
        false => Ok(backend),
    }
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
