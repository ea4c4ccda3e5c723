//! From a configuration, or from connections that the application made, to a cluster that runs.
//!
//! A wrong primary ends the start (rule T14): it is a standby, or it does not answer in time. A replica that is down is no
//! reason: it enters ejected and is probed. Nothing is looked after where there is no runtime, which is where mocks
//! are built outside of one.

mod adopted;
mod catalog;
mod late;
mod probing;
mod problem;
pub(crate) mod settings;
pub(crate) mod standing;
mod warnings;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{DbBackend, DbErr};
use tokio::runtime::Handle;
use tracing::Instrument;

#[cfg(feature = "testing")]
pub(crate) use self::adopted::simulate;
pub(crate) use self::adopted::{adopt, alone};
use self::settings::{judging, tuning};
use super::{
    discovery,
    inbox::{self, StatementNews},
    name::ClusterName,
    nodes::Nodes,
    shared::{Parts, Shared},
    source::Source,
    whose::whose,
    worker::{Begun, Worker},
};
use crate::{
    backend::MonitorConnection,
    causality::Clock,
    config::{Config, NodeConfig},
    error::{Error, causes::NodeListProblem},
    intent::{Classifier, Knowledge},
    signal,
    snapshot::Snapshot,
    state::{Effect, Moment, NodeSpec, State, View},
    vocabulary::{NodeId, Role},
};

/// Connects as the configuration says.
pub(crate) async fn connect(config: Config) -> Result<Arc<Shared>, Error> {
    let config = config.validated()?;
    let name = ClusterName::claim(&config.cluster_name);
    let span = name.span();
    connect_as(config, name).instrument(span).await
}

async fn connect_as(config: Config, name: ClusterName) -> Result<Arc<Shared>, Error> {
    if name.as_str() != config.cluster_name {
        tracing::warn!(
            "another cluster of this process is called {}: this one is {} in metrics and log lines; name it with \
             SEALANE_CLUSTER_NAME, or share one handle if it is the same cluster",
            config.cluster_name,
            name.as_str()
        );
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let effective: Vec<String> = config
        .effective()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    tracing::info!(configuration = effective.join(" "), "connecting");

    let origin = Instant::now();
    let backend = config.primary.url.backend();
    let reader = sqlite_reader(&config, &config.primary);
    let (configured, leader) = discovery::first(&config).await;
    let sources = Source::all(configured.into_iter().chain(reader));
    let mut starting = Starting::new(&config, sources, backend, origin, name)?;
    starting.open(&config).await?;
    starting.find(&config, leader.as_deref()).await?;
    starting.ready_writer(&config).await;
    starting.warn(&config);

    let clock = Clock::of(whose(&starting.state, &config));
    // SQLite's views cannot do more than its statements can.
    let reads_catalog = backend != DbBackend::Sqlite;
    let classifier = Classifier::new(backend, judging(&config), Knowledge::Trusted);
    if reads_catalog {
        classifier.learn(Knowledge::Awaited);
    }
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    let capture = {
        let opening = crate::positions::open_ahead(&config, starting.whose_positions(&config));
        let reading = starting.read_catalog(&classifier, &config, reads_catalog);
        tokio::join!(opening, reading).0
    };
    #[cfg(not(any(feature = "postgres", feature = "mysql")))]
    starting
        .read_catalog(&classifier, &config, reads_catalog)
        .await;
    let shared = starting.run(config, classifier, clock, reads_catalog);
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    crate::positions::look_after(&shared.tracker, capture).await;
    discovery::look_after(&shared);
    tracing::info!("started: {}", standing::line(&shared.snapshot.load().view));
    Ok(shared)
}

/// The reader's side of a SQLite file: the same file, read only. A database in memory has none, and neither has a
/// cluster that does not split.
pub(super) fn sqlite_reader(config: &Config, primary: &NodeConfig) -> Option<NodeConfig> {
    #[cfg(feature = "sqlite")]
    if primary.url.backend() == DbBackend::Sqlite
        && config.enabled
        && !crate::node::open::is_memory(&primary.url.without_password())
    {
        return Some(primary.reader());
    }
    let _ = (config, primary);
    None
}

/// A cluster on its way.
struct Starting {
    backend: DbBackend,
    state: State,
    nodes: Nodes,
    sources: Vec<Source>,
    effects: Vec<Effect>,
    primary_error: Option<DbErr>,
    /// The connections on which nodes were asked. Health checks go on with them for a while.
    wires: HashMap<NodeId, MonitorConnection>,
    /// How long one attempt to connect may take.
    attempt: Duration,
    /// What is down was said once.
    waits: bool,
    catalog_read: bool,
    /// Positions are a test's.
    simulated: bool,
    origin: Instant,
    name: ClusterName,
}

impl Starting {
    fn new(
        config: &Config,
        sources: Vec<Source>,
        backend: DbBackend,
        origin: Instant,
        name: ClusterName,
    ) -> Result<Self, Error> {
        let mut nodes = Nodes::new(config.statement_limit);
        let specs = nodes.register(sources.clone());
        let refused = |problem: NodeListProblem| Error::CannotStart {
            why: problem.into(),
        };
        let (state, effects) =
            State::start(tuning(config), specs, Moment::default()).map_err(refused)?;
        Ok(Self {
            backend,
            state,
            nodes,
            sources,
            effects,
            primary_error: None,
            wires: HashMap::new(),
            attempt: config.connect_timeout,
            waits: false,
            catalog_read: false,
            simulated: false,
            origin,
            name,
        })
    }

    /// Makes every node's pool. SQLite's writer comes first and connects: a reader cannot create the file.
    async fn open(&mut self, config: &Config) -> Result<(), Error> {
        #[cfg(feature = "postgres")]
        self.look_at_template(config).await;
        for (id, spec, source) in self.sourced() {
            match source.open(config, spec.role).await {
                Ok(link) => self.nodes.adopt(id, Arc::new(link), source),
                // A file that cannot be opened stays away; of servers another one may be the primary by now.
                Err(err) if spec.role == Role::Primary && Self::is_file(config) => {
                    return Err(self.refused(&spec.name, config, false, err));
                }
                Err(err) => {
                    tracing::warn!(
                        node = &*spec.name,
                        error = %signal::told(&err),
                        "no connection to this node could be opened yet: it is tried again in the background"
                    );
                    self.nodes.refuse(id, &spec, config.acquire_timeout);
                }
            }
        }
        Ok(())
    }

    /// Gives a primary that the list calls something else a pool that may write before the first picture shows it: the one that
    /// it has refuses writes. One that cannot be had is tried again in the background.
    async fn ready_writer(&mut self, config: &Config) {
        let primary = self.state.primaryship.primary;
        let mut sourced = self.sourced().into_iter();
        let Some((id, spec, _)) = sourced.find(|(id, ..)| Some(*id) == primary) else {
            return;
        };
        let opening = self.nodes.make_ready(id, &spec, Role::Primary, config);
        if let Some(opening) = opening {
            self.nodes.install(opening.end().await);
        }
        self.nodes.set_role(id, Role::Primary);
    }

    /// The members, each with where its connections come from.
    fn sourced(&self) -> Vec<(NodeId, NodeSpec, Source)> {
        let source = |spec: &NodeSpec| self.sources.iter().find(|one| one.spec.same_pool(spec));
        let members = self.state.members();
        members
            .filter_map(|node| Some((node.id, node.spec.clone(), source(&node.spec)?.clone())))
            .collect()
    }

    /// Whether the pools of all nodes are of our own making.
    fn are_ours(&self) -> bool {
        self.sources.iter().all(Source::is_ours)
    }

    fn is_file(config: &Config) -> bool {
        config.primary.url.backend() == DbBackend::Sqlite
    }

    fn run(
        self,
        config: Config,
        classifier: Classifier,
        clock: Arc<Clock>,
        reads_catalog: bool,
    ) -> Arc<Shared> {
        let backend = self.backend;
        let simulated = self.simulated;
        let may_have_positions = (config.may_have_positions() && self.are_ours()) || simulated;
        let positions = self.state.has_positions() || simulated;
        let reads_are_fresh =
            (backend == DbBackend::Sqlite && !simulated) || self.state.writes_everywhere();
        #[cfg(feature = "postgres")]
        let follower_read = self.state.follower_read();
        #[cfg(not(feature = "postgres"))]
        let follower_read = None;
        let view = View::new(&self.state);
        let sides = self.nodes.sides(&view);
        let (statements, orders, mailbox) = inbox::open();
        let runtime = Handle::try_current().ok();
        let snapshot = Snapshot::new(view, sides);
        let parts = Parts {
            backend,
            config,
            snapshot,
            classifier,
            clock,
            may_have_positions,
            positions,
            reads_are_fresh,
            follower_read,
            inboxes: (statements, orders),
            reads_catalog,
            simulated,
            name: self.name,
        };
        let (on, origin) = (runtime.clone(), self.origin);
        let shared = Arc::new_cyclic(|own| Shared::new(parts, on, origin, own));
        for (node, pool) in self.nodes.expect(&self.state) {
            shared.tell(StatementNews::Moved(node, pool));
        }
        let mut nodes = self.nodes;
        nodes.attach(&shared);
        if backend != DbBackend::Sqlite {
            super::unresolved::follow(&shared);
        }
        if let Some(runtime) = runtime {
            let _context = runtime.enter();
            let begun = Begun {
                state: self.state,
                nodes,
                wires: self.wires,
                effects: self.effects,
                catalog_read: self.catalog_read,
            };
            Worker::spawn(&shared, mailbox, begun);
        }
        shared
    }
}
