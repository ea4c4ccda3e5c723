//! The history checker: sessions of every kind write and read while replay stops, lags, servers crash and change their
//! names, the other process is killed and broken statements are sent; every read is held against what its session must
//! see.
//!
//! Each key has one writer and only grows, so a read is stale exactly when it is below what was acknowledged before it
//! began. `SEALANETEST_SEED` repeats a run's choices; the long form makes 200 000 reads.

mod disturber;
mod ledger;
#[cfg(sealane_mutants)]
mod mutants;
mod other_process;
mod sessions;

use std::sync::Arc;

use crate::place::until;
use sea_orm::ConnectionTrait;
use sealane::{Consistency, NodeStatus, Role, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node, long_form};

use crate::storm::broken::{self, Broken};

use self::{disturber::Disturber, ledger::Ledger, sessions::Kind};

/// All, or those that `SEALANETEST_KINDS` names.
fn kinds() -> Vec<Kind> {
    let all = [
        Kind::Process,
        Kind::Task,
        Kind::Explicit,
        Kind::Bookmark,
        Kind::OtherProcess,
        Kind::Monotonic,
        Kind::Eventual,
    ];
    let named = std::env::var("SEALANETEST_KINDS").ok();
    let wanted = |kind: &Kind| {
        named
            .as_ref()
            .is_none_or(|names| names.contains(&format!("{kind:?}")))
    };
    all.into_iter().filter(wanted).collect()
}

/// What one kind of session came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub reads: u64,
    pub stale: u64,
    /// Below what the same session had read before.
    pub backward: u64,
    /// Reads and writes that failed, which servers that crash make possible.
    pub failed: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.stale += other.stale;
        self.backward += other.backward;
        self.failed += other.failed;
    }
}

pub fn seed() -> u64 {
    let given = std::env::var("SEALANETEST_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("SEALANETEST_SEED={seed}");
    seed
}

/// What the servers are called in the application's URLs; the standbys' names change places now and then.
pub struct Names {
    primary: String,
    replicas: Vec<String>,
    wires: Arc<[Forwarder]>,
}

impl Names {
    fn of(cluster: &Cluster) -> Self {
        let to = |node: &Node| Forwarder::to(node.addr()).unwrap();
        let wires: Arc<[Forwarder]> = cluster.standbys().iter().map(to).collect();
        let named = cluster.standbys().iter().zip(&*wires).zip(["one", "two"]);
        let url = |((node, wire), name): ((&Node, &Forwarder), &str)| {
            format!("{}?name={name}", node.url_at(wire.addr(), "postgres"))
        };
        Self {
            primary: cluster.primary().url(),
            replicas: named.map(url).collect(),
            wires,
        }
    }
}

/// The seed chooses whether a pool has its connections between two statements, or the next statement has them.
async fn connect(names: &Names, seed: u64) -> RoutedConnection {
    let builder = RoutedConnection::builder()
        .primary(&names.primary)
        .replicas(&names.replicas)
        .consistency(Consistency::ReadYourWrites)
        // Both standbys may be down at once, and reads on the primary for that reason are no subject here.
        .diversion_limit(100);
    let builder = match seed.is_multiple_of(2) {
        // A pool replaces the connections of a server that crashed without a word, too.
        true => builder.ping_after_idle(std::time::Duration::ZERO),
        false => builder,
    };
    builder.connect().await.unwrap()
}

fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        // So that a crash has much to replay, and asynchronous commits lag.
        .much_to_replay()
        .setting("wal_writer_delay", "20ms");
    cluster.start().unwrap()
}

/// Fresh rows, one for each writer.
async fn prepare(db: &RoutedConnection, ledger: &Ledger) {
    let rows = ledger.keys();
    for sql in [
        broken::TABLES.to_owned(),
        "CREATE TABLE mine (key bigint PRIMARY KEY, value bigint NOT NULL)".to_owned(),
        "CREATE TABLE bulk (filler text)".to_owned(),
        format!("INSERT INTO mine SELECT key, 0 FROM generate_series(0, {rows} - 1) AS key"),
    ] {
        db.execute_unprepared(&sql).await.unwrap();
    }
}

/// How many stale reads the checker has to find where they are allowed, or it is blind.
fn least_stale() -> u64 {
    if long_form() { 1_000 } else { 50 }
}

/// Runs every kind for so many reads each, under disturbances.
async fn run(cluster: &Cluster, kinds: &[Kind], reads: u64, seed: u64) -> Vec<(Kind, Seen)> {
    let names = Names::of(cluster);
    let db = connect(&names, seed).await;
    let ledger = Arc::new(Ledger::new());
    prepare(&db, &ledger).await;
    cluster.wait_caught_up().unwrap();
    let disturber = Disturber::start(cluster, &names, &db, seed);
    let broken = Broken::start(&db, &Arc::default(), (seed, 1));
    let mut all = Vec::new();
    for (place, kind) in kinds.iter().enumerate() {
        let seed = seed.wrapping_add(place as u64 * 1_000);
        let mut seen = sessions::run(&db, &names, *kind, (&ledger, reads, seed)).await;
        // A short run may fall into a time in which no standby is up, and then shows nothing of the checker.
        for again in 1..10 {
            if *kind == Kind::Eventual && seen.stale < least_stale() {
                until("a standby that serves", async || {
                    let topology = db.cluster().topology();
                    let serves =
                        |node: &NodeStatus| node.role == Role::Replica && node.ineligible.is_none();
                    topology.nodes.iter().any(serves)
                })
                .await;
                let more = (&ledger, reads, seed.wrapping_add(again * 100_000));
                seen += sessions::run(&db, &names, *kind, more).await;
            }
        }
        println!("{kind:?}: {seen:?}");
        all.push((*kind, seen));
    }
    let done = disturber.end(cluster).await;
    println!("{done}");
    let (sent, stored) = broken.end(cluster.primary()).await;
    println!("{sent} broken statements");
    assert_eq!(stored, 0, "of statements that fail");
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_misses_what_it_must_see_whatever_happens_to_the_standbys() {
    let seed = seed();
    let cluster = cluster();
    let reads = if long_form() { 45_000 } else { 3_000 };
    let kinds = kinds();
    let mut all = Seen::default();
    for (kind, seen) in run(&cluster, &kinds, reads, seed).await {
        match kind {
            // The checker is not blind.
            Kind::Eventual => {
                assert!(seen.stale >= least_stale(), "{seen:?}");
            }
            _ => {
                assert_eq!((seen.stale, seen.backward), (0, 0), "{kind:?}: {seen:?}");
                all += seen;
            }
        }
        assert!(seen.reads >= reads, "{kind:?}: {seen:?}");
        assert!(seen.failed * 20 < seen.reads, "{kind:?}: {seen:?}");
    }
    println!("{} reads, {} stale", all.reads, all.stale);
}
