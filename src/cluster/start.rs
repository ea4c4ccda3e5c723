//! From a configuration, or from connections that the application made, to a cluster that runs.
//!
//! A wrong primary ends the start (rule T14): it is a standby, or it does not answer in time. A replica that is down is no
//! reason: it enters ejected and is probed. Nothing is looked after where there is no runtime, which is where mocks
//! are built outside of one.

mod adopted;
mod catalog;
mod late;
mod problem;
pub(crate) mod settings;
pub(crate) mod standing;
mod warnings;

use std::{sync::Arc, time::Instant};

use sea_orm::{DbBackend, DbErr};
use tokio::runtime::Handle;
use tracing::Instrument;

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
    backend::{self, MonitorConnection},
    causality::Clock,
    config::{Config, NodeConfig},
    error::{Error, causes::NodeListProblem},
    intent::{Classifier, Knowledge},
    signal,
    snapshot::Snapshot,
    state::{Effect, Event, Moment, NodeSpec, NodeState, Notice, State, View, reduce::reduce},
    vocabulary::{NodeId, Role},
};

/// How often every node is asked at the start, at the most.
const ROUNDS: usize = 8;

/// How long a replica is given to replay what the primary had written.
const REPLAY: std::time::Duration = std::time::Duration::from_millis(5);

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
    starting.warn(&config);

    let clock = Clock::of(whose(&starting.state, &config));
    // SQLite's views cannot do more than its statements can.
    let reads_catalog = backend != DbBackend::Sqlite;
    let classifier = Classifier::new(backend, judging(&config), Knowledge::Trusted);
    if reads_catalog {
        classifier.learn(Knowledge::Awaited);
        starting.read_catalog(&classifier, &config).await;
    }
    let shared = starting.run(config, classifier, clock, reads_catalog);
    #[cfg(feature = "postgres")]
    crate::positions::look_after(&shared.tracker).await;
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
    /// What is down was said once.
    waits: bool,
    catalog_read: bool,
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
            waits: false,
            catalog_read: false,
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

    /// The members, each with where its connections come from.
    fn sourced(&self) -> Vec<(NodeId, NodeSpec, Source)> {
        let source = |spec: &NodeSpec| self.sources.iter().find(|one| one.spec.same_pool(spec));
        let members = self.state.members();
        members
            .filter_map(|node| Some((node.id, node.spec.clone(), source(&node.spec)?.clone())))
            .collect()
    }

    fn is_file(config: &Config) -> bool {
        config.primary.url.backend() == DbBackend::Sqlite
    }

    /// Asks every node once, all at the same time, and each within its own time-out.
    ///
    /// A new primaryship has to be confirmed by the others, and a replica's lag is told by an answer that comes after
    /// the primary's: both take a second round.
    async fn probe(&mut self, config: &Config) {
        for _ in 0..ROUNDS {
            self.probe_once(config).await;
            let late = |node: &NodeState| node.replay.lagging && node.replay.current_at.is_none();
            match (self.state.is_confirming(), self.state.members().any(late)) {
                (true, _) => {}
                (false, true) => tokio::time::sleep(REPLAY).await,
                (false, false) => break,
            }
        }
        // The line at the start says how each replica stands, and the start asks for a position by itself. Standing
        // writers are for later: a start opens no connection that no statement needs.
        self.effects.retain(|effect| {
            !matches!(
                effect,
                Effect::Notice(Notice::LeftRotation { .. } | Notice::JoinedRotation { .. })
                    | Effect::AskPosition
                    | Effect::StandBy { .. }
            )
        });
        // It was only looked for.
        if self.state.primaryship.primary.is_some() {
            let search = |effect: &Effect| {
                matches!(
                    effect,
                    Effect::Notice(Notice::NoPrimary | Notice::PrimaryIs { .. })
                )
            };
            self.effects.retain(|effect| !search(effect));
        }
    }

    async fn probe_once(&mut self, config: &Config) {
        let begun = Moment(self.origin.elapsed());
        let asked = |node: &&NodeState| !node.is_ejected();
        let asking = self.state.members().filter(asked).filter_map(|node| {
            let source = self
                .sources
                .iter()
                .find(|source| source.spec.same_pool(&node.spec))?;
            let asked = source.config()?;
            let (id, role, name) = (node.id, node.spec.role, Arc::clone(&node.spec.name));
            let trouble = Arc::clone(&source.trouble);
            Some(async move {
                (
                    (id, name, trouble),
                    role,
                    backend::meet(config, asked, &mut MonitorConnection::default()).await,
                )
            })
        });
        let answers = futures_util::future::join_all(asking).await;
        let mut rng = fastrand::Rng::new();
        for ((node, name, trouble), role, answer) in answers {
            let event = match answer {
                Ok(facts) => {
                    trouble.settled();
                    Event::ProbeOk {
                        node,
                        begun,
                        rtt: facts.round_trip,
                        facts: super::nodes::said(&facts),
                    }
                }
                Err(err) => {
                    trouble.failed(&err);
                    let signal = super::nodes::unanswered(&err);
                    if role == Role::Primary {
                        self.primary_error = Some(err);
                    } else if !self.waits {
                        tracing::warn!(
                            node = &*name,
                            error = %signal::told(&err),
                            "this replica gives no connection yet: it is tried again in the background"
                        );
                    }
                    Event::ProbeFailed {
                        node,
                        begun,
                        signal,
                    }
                }
            };
            let now = Moment(self.origin.elapsed());
            self.effects
                .extend(reduce(&mut self.state, event, now, &mut rng));
        }
    }

    fn run(
        self,
        config: Config,
        classifier: Classifier,
        clock: Arc<Clock>,
        reads_catalog: bool,
    ) -> Arc<Shared> {
        let backend = self.backend;
        let ours = self.sources.iter().all(Source::is_ours);
        let may_have_positions = backend == DbBackend::Postgres && ours;
        let positions = self.state.has_positions();
        let reads_are_fresh = backend == DbBackend::Sqlite || self.state.writes_everywhere();
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
                effects: self.effects,
                catalog_read: self.catalog_read,
            };
            Worker::spawn(&shared, mailbox, begun);
        }
        shared
    }
}
