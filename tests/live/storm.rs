//! Storms: primaries die, freeze, are cut off and come back, names move, clients are killed and started again and send
//! what is broken, while writers and readers remember what they were told (promises 1 to 5).
//!
//! Every write says its key and number in a log without a unique index, so that one that is missing, one that is there
//! twice and one that a caller was told had not been executed are found; and it says the timeline of the server that
//! executed it, so that one that was accepted by a primary of an epoch that was over for this process is found. Every
//! read is held against what its writer was told before, and against what it has seen of its own. Statements that are
//! broken are sent all the time; in calms nothing else happens, and nothing else may fail. The harness promotes like a
//! quorum: both standbys are detached from the old primary first, and the one that has received most is promoted.
//! `SEALANETEST_SEED` repeats a run's choices; the long form takes ten minutes.

pub mod broken;
mod calm;
mod clients;
mod disturber;
mod failover;
mod told;
mod writers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection};
use sealane::{Consistency, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node, long_form};

use self::{
    broken::Broken,
    calm::{Calm, is_whole},
    clients::Clients,
    disturber::{Disturber, Done, Quorum, With},
    told::Verdict,
    writers::{Writer, Writers, routed},
};

/// A cluster whose nodes the client reaches through wires that can be cut and led elsewhere, and that follow each other
/// through such wires.
struct Sea {
    cluster: Cluster,
    wires: Arc<[Forwarder]>,
    /// From each node to the one that it follows.
    between: Arc<[Forwarder]>,
}

impl Sea {
    fn new(quorum: Quorum) -> Self {
        let cluster = Cluster::builder()
            .standbys(2)
            .own_identity()
            .setting("checkpoint_timeout", "1h")
            .setting("wal_receiver_timeout", "5s");
        let cluster = cluster.start().unwrap();
        let tables = "CREATE TABLE log (key bigint, n bigint, timeline bigint); CREATE TABLE mine (key bigint PRIMARY KEY, n bigint); \
             INSERT INTO mine SELECT key, 0 FROM generate_series(0, 63) AS key";
        let primary = cluster.primary();
        primary.sql(tables).unwrap();
        primary.sql(broken::TABLES).unwrap();
        cluster.wait_caught_up().unwrap();
        if quorum == Quorum::Kept {
            for node in cluster.nodes() {
                node.set("synchronous_standby_names", "ANY 1 (*)").unwrap();
            }
        }
        let to = |node: &Node| Forwarder::to(node.addr()).unwrap();
        let wires = cluster.nodes().iter().map(to).collect();
        let primary = cluster.primary();
        let between: Arc<[Forwarder]> = cluster.nodes().iter().map(|_| to(primary)).collect();
        for (standby, wire) in cluster.standbys().iter().zip(&between[1..]) {
            standby.repoint_to(wire.addr()).unwrap();
        }
        Self {
            wires,
            between,
            cluster,
        }
    }

    /// Each through its wire, the first primary's first.
    fn urls(&self) -> Vec<String> {
        let nodes = self.cluster.nodes().iter().zip(&*self.wires);
        let url = |(node, wire): (&Node, &Forwarder)| node.url_at(wire.addr(), "postgres");
        nodes.map(url).collect()
    }
}

async fn connect(urls: &[String]) -> Result<RoutedConnection, sealane::Error> {
    RoutedConnection::builder()
        .primary(format!("{}?name=one", urls[0]))
        .replicas([
            format!("{}?name=two", urls[1]),
            format!("{}?name=three", urls[2]),
        ])
        .consistency(Consistency::ReadYourWrites)
        .check_interval(Duration::from_millis(200))
        .check_timeout(Duration::from_millis(400))
        .dead_after(Duration::from_millis(600))
        .connect_timeout(Duration::from_millis(500))
        .diversion_limit(100)
        .ramp_up(Duration::from_millis(200))
        .connect()
        .await
}

/// A storm that is under way.
struct Storm {
    sea: Sea,
    seed: u64,
    quorum: Quorum,
    db: RoutedConnection,
    calm: Arc<Calm>,
    settled: Arc<AtomicU64>,
}

impl Storm {
    async fn new(quorum: Quorum) -> Self {
        let sea = Sea::new(quorum);
        Self {
            seed: crate::history::seed(),
            quorum,
            db: connect(&sea.urls()).await.unwrap(),
            calm: Arc::default(),
            settled: Arc::new(AtomicU64::new(1)),
            sea,
        }
    }

    fn writers(&self, count: i64) -> Writers {
        let writer = |key| routed(&self.db, key, (0, &self.calm, self.seed));
        Writers::start((0..count).map(writer))
    }

    fn clients(&self, with: &[clients::With]) -> Clients {
        let seeds = (&self.settled, self.seed);
        Clients::start(&self.sea.urls(), with.iter().copied(), seeds)
    }

    /// Returns when it is over and writes get through.
    async fn blow(&self, length: Duration, clients: &Clients) -> Done {
        let with = With {
            db: self.db.clone(),
            calm: Arc::clone(&self.calm),
            restart: clients.restart(),
            settled: Arc::clone(&self.settled),
        };
        let disturber = Disturber::new(&self.sea, self.quorum, self.seed, with);
        let done = disturber.run(Instant::now() + length).await;
        println!("{done}");
        crate::place::until("writes after the storm", async || {
            self.db
                .execute_unprepared("INSERT INTO log VALUES (-1, 0, 0)")
                .await
                .is_ok()
        })
        .await;
        done
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_storms_nothing_is_lost_written_twice_or_read_stale() {
    let storm = Storm::new(Quorum::Kept).await;
    let (writers, clients) = (
        storm.writers(8),
        storm.clients(&[clients::With::Sealane; 2]),
    );
    let broken = Broken::start(&storm.db, &storm.calm, (storm.seed, 2));
    let length = if long_form() { 600 } else { 22 };
    let done = storm.blow(Duration::from_secs(length), &clients).await;
    // Names that moved and servers that are rewound take their time when the machine is busy with other tests.
    let limit = Duration::from_secs(60);
    crate::place::until_within(limit, "every node in use after the storm", async || {
        is_whole(&storm.db)
    })
    .await;
    // How long that takes is the machine's.
    crate::place::until_within(limit, "a hundred broken statements", async || {
        broken.sent() > 100
    })
    .await;
    let (sent, stored) = broken.end(&done.primary).await;
    let (own, others) = (writers.end().await, clients.end().await);
    let (complaints, answered) = storm.calm.all();
    println!("{sent} broken statements, {answered} reads in calms");
    complaints
        .iter()
        .take(10)
        .for_each(|what| println!("failed in a calm: {what}"));
    let others = Verdict::of(&others, &done.primary);
    println!("clients: {others}");
    let mut verdict = Verdict::of(&own, &done.primary).and(&others);
    verdict.innocent = u64::try_from(complaints.len()).unwrap();
    verdict.denied += stored;
    println!("{verdict}");
    assert_eq!(verdict.wrong(), 0, "{verdict}");
    assert!(
        verdict.acknowledged > 100 && others.acknowledged > 20,
        "{verdict}"
    );
}

/// Without synchronous replication a promotion loses what only the old primary had: else the checker is blind. Still
/// nothing is written in an epoch that is over, while SeaORM alone, which knows of none, does so in every way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_the_checker_finds_lost_writes() {
    let storm = Storm::new(Quorum::Ignored).await;
    let writers = storm.writers(4);
    let clients = storm.clients(&[clients::With::Sealane, clients::With::SeaOrm]);
    let (primary, replica) = (storm.alone(0).await, storm.alone(1).await);
    let settled = Arc::clone(&storm.settled);
    let known: writers::Known = Arc::new(move || settled.load(Relaxed));
    // A single one may come through a short storm without one of the four.
    let careless = Writers::start((20..24).map(|key| {
        let (db, reads, known) = (primary.clone(), replica.clone(), Arc::clone(&known));
        let mut one = Writer::new(db, reads, (key, storm.seed), known, Arc::clone(&storm.calm));
        one.careless = true;
        one
    }));
    let length = if long_form() { 120 } else { 6 };
    let done = storm.blow(Duration::from_secs(length), &clients).await;
    let of = |told: Vec<_>| Verdict::of(&told, &done.primary);
    let (own, careless) = (of(writers.end().await), of(careless.end().await));
    let mut restarted = clients.end().await;
    let raw = of(vec![restarted.pop().unwrap()]);
    let restarted = of(restarted);
    for (who, verdict) in [
        ("own", own),
        ("restarted", restarted),
        ("SeaORM alone", careless),
        ("SeaORM alone, restarted", raw),
    ] {
        println!("{who}: {verdict}");
    }
    assert!(own.lost > 0, "{own}");
    let wrong = |verdict: &Verdict| (verdict.twice, verdict.denied, verdict.old_epoch);
    assert_eq!(wrong(&own), (0, 0, 0), "{own}");
    assert_eq!(wrong(&restarted), (0, 0, 0), "{restarted}");
    // A name that moved, a future that was dropped, a read behind a write, a process that started anew.
    assert!(careless.old_epoch > 0, "{careless}");
    assert!(careless.denied > 0, "{careless}");
    assert!(careless.stale > 0, "{careless}");
    assert!(raw.old_epoch > 0, "{raw}");
}

impl Storm {
    /// SeaORM alone, on one name.
    async fn alone(&self, at: usize) -> DatabaseConnection {
        let mut options = sea_orm::ConnectOptions::new(&self.sea.urls()[at]);
        options
            .acquire_timeout(Duration::from_secs(1))
            .sqlx_logging(false);
        sea_orm::Database::connect(options).await.unwrap()
    }
}
