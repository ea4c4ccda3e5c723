//! A cluster for all tests of one module, and a database of its own for each of them.
//!
//! The first test of a module starts the cluster and the last one removes it: a test that waits for its turn already
//! holds the cluster. Tests that only need their own database run side by side; one that stops replay, counts what the
//! servers served or has a pin, which all handles to one cluster share, is [`alone`](Slot::alone).

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use sealane::{Builder, RoutedConnection};
use sealane_harness::{Cluster, Node};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What every node of a module's cluster is called, the standbys in their order.
const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// Long enough for a machine with two cores that runs much else; who waits so long waits in vain.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Slot {
    standbys: usize,
    cluster: Mutex<Weak<Cluster>>,
    gate: RwLock<()>,
}

/// A cluster, and a database in it that nobody else uses.
pub struct Place {
    cluster: Arc<Cluster>,
    database: String,
    _turn: Turn,
}

/// Held for its drop.
enum Turn {
    Shared(#[expect(dead_code, reason = "a guard")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "a guard")] RwLockWriteGuard<'static, ()>),
}

impl Slot {
    pub const fn new(standbys: usize) -> Self {
        Self {
            standbys,
            cluster: Mutex::new(Weak::new()),
            gate: RwLock::const_new(()),
        }
    }

    /// Beside the module's other tests.
    pub async fn shared(&'static self, database: &str) -> Place {
        let cluster = self.cluster();
        let turn = Turn::Shared(self.gate.read().await);
        Place::new(cluster, database, turn)
    }

    /// While no other test of the module runs.
    pub async fn alone(&'static self, database: &str) -> Place {
        let cluster = self.cluster();
        let turn = Turn::Alone(self.gate.write().await);
        Place::new(cluster, database, turn)
    }

    fn cluster(&self) -> Arc<Cluster> {
        let mut slot = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = slot.upgrade() {
            return cluster;
        }
        // Everything that knows the same cluster shares its pin, so no two modules may have one that looks the same.
        let cluster = Cluster::builder().standbys(self.standbys).own_identity();
        let cluster = Arc::new(cluster.start().unwrap());
        *slot = Arc::downgrade(&cluster);
        cluster
    }
}

impl Place {
    fn new(cluster: Arc<Cluster>, database: &str, turn: Turn) -> Self {
        cluster.create_database(database).unwrap();
        Self {
            cluster,
            database: database.to_owned(),
            _turn: turn,
        }
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn primary(&self) -> &Node {
        self.cluster.primary()
    }

    pub fn standby(&self, index: usize) -> &Node {
        self.cluster.standby(index)
    }

    pub fn url(&self, node: &Node) -> String {
        node.url_of(&self.database)
    }

    pub fn primary_url(&self) -> String {
        self.url(self.primary())
    }

    /// The standbys' URLs, with their names.
    pub fn replica_urls(&self) -> Vec<String> {
        let named = self.cluster.standbys().iter().zip(NAMES);
        named
            .map(|(node, name)| format!("{}?name={name}", self.url(node)))
            .collect()
    }

    /// Every node, and reads that miss what is not replayed: tests wait for it by [`caught_up`](Self::caught_up).
    pub fn builder(&self) -> Builder {
        RoutedConnection::builder()
            .primary(format!("{}?name=primary", self.primary_url()))
            .replicas(self.replica_urls())
            .consistency(sealane::Consistency::Eventual)
    }

    /// Runs statements on the primary as another process would, and waits until the standbys have them.
    pub fn others(&self, sql: &str) -> String {
        let rows = self.primary().sql_in(&self.database, sql).unwrap();
        self.caught_up();
        rows
    }

    /// Takes away what tells positions, in this database: only the time pin is left.
    pub fn hide_positions(&self) {
        self.others("ALTER FUNCTION pg_catalog.pg_current_wal_insert_lsn() RENAME TO hidden");
    }

    /// Runs statements on one node, past the router.
    pub fn on(&self, node: &Node, sql: &str) -> String {
        node.sql_in(&self.database, sql).unwrap()
    }

    pub fn caught_up(&self) {
        self.cluster.wait_caught_up().unwrap();
    }

    /// Stops replay on every standby until the guard is dropped: from now on whatever they show is stale.
    pub fn freeze_replay(&self) -> Frozen<'_> {
        for standby in self.cluster.standbys() {
            standby.pause_replay().unwrap();
        }
        Frozen(&self.cluster)
    }
}

/// Replay stands still until this is dropped, also by a failed test: the next one uses the same cluster.
pub struct Frozen<'a>(&'a Cluster);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        for standby in self.0.standbys() {
            let _ = standby.resume_replay();
        }
    }
}

/// A cluster that is nobody else's, and has no other's identity, with an empty table.
pub fn own_cluster(standbys: usize) -> Cluster {
    let cluster = Cluster::builder().standbys(standbys).own_identity();
    let cluster = cluster.start().unwrap();
    cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}

/// Waits for a condition, never for time.
pub async fn until(what: &str, ready: impl AsyncFnMut() -> bool) {
    until_within(DEADLINE, what, ready).await;
}

/// The same, for what may take longer on a loaded machine.
pub async fn until_within(limit: Duration, what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !ready().await {
        assert!(started.elapsed() < limit, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
