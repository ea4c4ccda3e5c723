//! What the tests of faults share: a cluster that is whole again for each of them, readers in the background, the
//! decisions by node, and a deadline around everything.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{DbErr, EntityTrait, PaginatorTrait, QuerySelect, RuntimeErr, SelectExt, sqlx};
use sealane::{Error, NodeStatus, Outcome, RoutedConnection};
use sealane_harness::{Cluster, Node};
use tokio::task::JoinHandle;
use tracing::{Dispatch, instrument::WithSubscriber};
use tracing_subscriber::{Layer, layer::SubscriberExt};

pub mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many rows `item` has.
pub const ITEMS: i64 = 100;

/// A cluster that several tests use, one after the other.
pub struct Stage(LazyLock<tokio::sync::Mutex<Cluster>>);

pub type Staged<'a> = tokio::sync::MutexGuard<'a, Cluster>;

impl Stage {
    /// A primary and two standbys.
    pub const fn new() -> Self {
        Self(LazyLock::new(|| {
            tokio::sync::Mutex::new(crate::fixture::cluster(2))
        }))
    }

    /// Every server up and streaming, and the table `item` as it was, whatever the test before has done.
    pub async fn whole(&self) -> Staged<'_> {
        let cluster = self.0.lock().await;
        for node in cluster.nodes() {
            node.thaw();
            node.start().unwrap();
        }
        for standby in cluster.standbys() {
            standby.wait_streaming().unwrap();
        }
        let primary = cluster.primary();
        primary.terminate_connections().unwrap();
        primary
            .sql("DROP TABLE IF EXISTS item, log; CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL); \
                 CREATE TABLE log (n bigint)")
            .unwrap();
        primary
            .sql(&format!(
                "INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, {ITEMS}) n"
            ))
            .unwrap();
        cluster.wait_caught_up().unwrap();
        cluster
    }
}

/// Runs a test; one that hangs fails.
pub async fn within<T>(limit: Duration, test: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, test)
        .await
        .expect("the test hangs")
}

pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits for a condition.
pub async fn eventually(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !ready().await {
        assert!(Instant::now() < deadline, "this did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// A node as the topology has it now.
pub fn status(db: &RoutedConnection, name: &str) -> NodeStatus {
    let topology = db.cluster().topology();
    let node = topology.nodes.iter().find(|node| node.name == name);
    node.unwrap_or_else(|| panic!("{name} is not in {topology}"))
        .clone()
}

pub async fn until_role(db: &RoutedConnection, name: &str, role: sealane::Role) {
    crate::place::until(&format!("{name} to be {role}"), async || {
        status(db, name).role == role
    })
    .await;
}

pub async fn until_ejected(db: &RoutedConnection, name: &str) {
    eventually(&format!("{name} ejected"), async || {
        status(db, name).ineligible == Some(sealane::Ineligible::Ejected)
    })
    .await;
}

pub async fn until_used(db: &RoutedConnection, name: &str) {
    eventually(&format!("{name} used"), async || {
        status(db, name).ineligible.is_none()
    })
    .await;
}

/// Waits until so many clients' statements with this text run on a server.
pub async fn until_running(node: &Node, part: &str, count: usize) {
    eventually(&format!("{count} of `{part}` on {node:?}"), async || {
        running(node, part) >= count
    })
    .await;
}

pub fn running(node: &Node, part: &str) -> usize {
    let rows = node
        .sql(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active' \
             AND pid <> pg_backend_pid() AND query LIKE '%{part}%'"
        ))
        .unwrap();
    rows.parse().unwrap()
}

/// The decisions of the futures that were given to it, by node and reason.
#[derive(Clone)]
pub struct Decisions {
    counts: Counts,
    dispatch: Dispatch,
}

type Counts = Arc<Mutex<BTreeMap<(String, String), u64>>>;

impl Decisions {
    pub fn new() -> Self {
        // Whether an event is of interest to anybody is remembered by where it is raised, and asked of the default when
        // it is raised for the first time. Fails for all but the first.
        let _ = tracing::dispatcher::set_global_default(tracing_subscriber::registry().into());
        let counts = Counts::default();
        let layer = Recorder(Arc::clone(&counts));
        Self {
            counts,
            dispatch: Dispatch::new(tracing_subscriber::registry().with(layer)),
        }
    }

    /// Listens to a future, on whichever thread it runs.
    pub fn of<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        future.with_subscriber(self.dispatch.clone())
    }

    /// Node and reason of all since the last call.
    pub fn take(&self) -> BTreeMap<(String, String), u64> {
        std::mem::take(&mut *self.counts.lock().unwrap())
    }

    /// How many there were since the last call.
    pub fn count(&self) -> u64 {
        self.counts.lock().unwrap().values().sum()
    }

    /// How many went to a node since the last call.
    pub fn by_node(&self) -> BTreeMap<String, u64> {
        let mut nodes = BTreeMap::new();
        for ((node, _), count) in self.take() {
            *nodes.entry(node).or_default() += count;
        }
        nodes
    }
}

struct Recorder(Counts);

impl<S: tracing::Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        // Also where a statement went from one line to another.
        if matches!(
            event.metadata().target(),
            "sealane::decision" | "sealane::moved"
        ) {
            let mut seen = Seen::default();
            event.record(&mut seen);
            *self
                .0
                .lock()
                .unwrap()
                .entry((seen.node, seen.reason))
                .or_default() += 1;
        }
    }
}

#[derive(Default)]
struct Seen {
    node: String,
    reason: String,
}

impl tracing::field::Visit for Seen {
    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "node" => self.node = value.to_owned(),
            "reason" => self.reason = value.to_owned(),
            _ => {}
        }
    }
}

/// Tasks that read without a pause, in four ways by turns.
pub struct Readers {
    shared: Arc<Reading>,
    tasks: Vec<JoinHandle<()>>,
    pub decisions: Decisions,
}

#[derive(Default)]
struct Reading {
    stop: AtomicBool,
    done: AtomicU64,
    failed: Mutex<Vec<String>>,
    /// The longest one of those that began after the last question.
    slowest: Mutex<(Option<Instant>, Duration)>,
}

impl Readers {
    pub fn start(db: &RoutedConnection, tasks: usize) -> Self {
        let (shared, decisions) = (Arc::<Reading>::default(), Decisions::new());
        let task = |number: usize| {
            let (db, shared) = (db.clone(), Arc::clone(&shared));
            tokio::spawn(decisions.of(async move {
                let mut turn = number;
                while !shared.stop.load(Relaxed) {
                    turn += 1;
                    let begun = Instant::now();
                    match read(&db, turn).await {
                        Ok(()) => shared.done.fetch_add(1, Relaxed),
                        Err(why) => {
                            shared.failed.lock().unwrap().push(why);
                            // What fails at once would never let this task be ended.
                            tokio::task::yield_now().await;
                            0
                        }
                    };
                    let mut slowest = shared.slowest.lock().unwrap();
                    if slowest.0.is_none_or(|since| begun >= since) {
                        slowest.1 = slowest.1.max(begun.elapsed());
                    }
                }
            }))
        };
        let tasks = (0..tasks).map(task).collect();
        Self {
            shared,
            tasks,
            decisions,
        }
    }

    /// Waits for so many more reads.
    pub async fn more(&self, count: u64) {
        let goal = self.shared.done.load(Relaxed) + count;
        eventually("more reads", async || {
            self.check();
            self.shared.done.load(Relaxed) >= goal
        })
        .await;
    }

    /// The longest read since the last call, of those that began after it.
    pub fn slowest(&self) -> Duration {
        let mut slowest = self.shared.slowest.lock().unwrap();
        let (_, longest) = std::mem::replace(&mut *slowest, (Some(Instant::now()), Duration::ZERO));
        longest
    }

    /// No read has failed.
    pub fn check(&self) {
        let failed = self.shared.failed.lock().unwrap().clone();
        let some = &failed[..failed.len().min(3)];
        assert!(failed.is_empty(), "{} failed: {some:#?}", failed.len());
    }

    /// Ends them; how many reads there were. None has failed.
    pub async fn end(mut self) -> u64 {
        self.shared.stop.store(true, Relaxed);
        for task in std::mem::take(&mut self.tasks) {
            task.await.unwrap();
        }
        let failed = self.shared.failed.lock().unwrap().clone();
        let some = &failed[..failed.len().min(3)];
        assert!(failed.is_empty(), "{} failed: {some:#?}", failed.len());
        self.shared.done.load(Relaxed)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
    }
}

/// What the caller may conclude from an error: ours say so, the driver's by their kind.
pub fn outcome(err: &DbErr) -> Outcome {
    if let Some(ours) = Error::from_db_err(err) {
        return ours.outcome();
    }
    match err {
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Outcome::NotExecuted,
        DbErr::Exec(RuntimeErr::SqlxError(err)) | DbErr::Query(RuntimeErr::SqlxError(err))
            if matches!(&**err, sqlx::Error::Database(_)) =>
        {
            Outcome::NotExecuted
        }
        err => panic!("nothing follows from this error: {err:?}"),
    }
}

async fn read(db: &RoutedConnection, turn: usize) -> Result<(), String> {
    let id = i32::try_from(turn % 100).unwrap() + 1;
    let said = |what: &str, err: DbErr| format!("{what}: {err}");
    let fine = match turn % 4 {
        0 => item::Entity::find_by_id(id)
            .one(db)
            .await
            .map_err(|err| said("one", err))?
            .is_some(),
        1 => {
            item::Entity::find()
                .limit(10)
                .all(db)
                .await
                .map_err(|err| said("all", err))?
                .len()
                == 10
        }
        2 => {
            item::Entity::find()
                .count(db)
                .await
                .map_err(|err| said("count", err))?
                == u64::try_from(ITEMS).unwrap()
        }
        _ => item::Entity::find_by_id(id)
            .exists(db)
            .await
            .map_err(|err| said("exists", err))?,
    };
    if fine {
        Ok(())
    } else {
        Err(format!("read {turn} gave something else"))
    }
}
