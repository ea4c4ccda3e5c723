//! Statements that crash the server that runs them (rule R5), and servers that are gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, Statement, StreamTrait, TransactionOptions,
    TransactionTrait,
};
use sealane::{Builder, Consistency, Error, Outcome, Role, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node, Stop, long_form};

use crate::{
    faults::{
        Decisions, LIMIT, Readers, Stage, eventually, running, until_ejected, until_running,
        until_used, within,
    },
    fixture::{builder, number, sql},
};

static STAGE: Stage = Stage::new();

/// What kills its backend wherever it runs, by `Killer`.
const GUILTY: &str = "SELECT pg_sleep(30) AS guilty";

/// What runs beside it.
const INNOCENT: &str = "SELECT id, pg_sleep(2) AS innocent FROM item WHERE id = 1";

/// Kills the backend of each statement that says `guilty`, on whichever node.
struct Killer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Killer {
    fn of(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (nodes, stopped) = (cluster.nodes().to_vec(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                for node in &nodes {
                    node.kill_running("guilty");
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// A read whose caller went away may still run from a test before, and would be killed in this one.
fn end_leftovers(cluster: &Cluster) {
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
                 AND state = 'active' AND query LIKE '%guilty%'";
    for node in cluster.nodes() {
        while node.sql(ended).unwrap().trim() != "0" {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn crashes(cluster: &Cluster) -> Vec<usize> {
    cluster.nodes().iter().map(Node::crashes).collect()
}

/// How often each node has crashed since.
fn since(cluster: &Cluster, before: &[usize]) -> Vec<usize> {
    let now = crashes(cluster);
    now.iter()
        .zip(before)
        .map(|(now, then)| now - then)
        .collect()
}

/// A node that crashed is asked again only after a while, so that its recovery lasts for as long as a test takes.
fn slow_to_return(cluster: &Cluster) -> Builder {
    builder(cluster)
        // On a machine with other work a check may take longer than the default, and then nobody is suspected.
        .check_timeout(Duration::from_secs(5))
        .eject_first(Duration::from_secs(25))
        .eject_max(Duration::from_secs(25))
}

async fn read(db: &impl ConnectionTrait, text: &str) -> Result<(), DbErr> {
    let stmt = Statement::from_string(db.get_database_backend(), text);
    db.query_one_raw(stmt).await.map(drop)
}

/// The node that crashed under it.
#[track_caller]
fn crashed(err: &DbErr) -> String {
    let ours = Error::from_db_err(err).unwrap_or_else(|| panic!("{err}"));
    assert_eq!(ours.outcome(), Outcome::Unknown);
    assert!(!ours.is_retriable());
    match ours {
        Error::ServerCrashed { node, .. } => node.clone(),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn assert_kept_back(err: &DbErr, by: &str) {
    match Error::from_db_err(err) {
        Some(ours @ Error::KeptBack { node, .. }) => {
            assert_eq!((&**node, ours.outcome()), (by, Outcome::NotExecuted));
        }
        _ => panic!("{err}"),
    }
}

fn rounds() -> usize {
    if long_form() { 12 } else { 1 }
}

/// R5: it is run nowhere else, and while its server recovers its text goes to one more replica and never to the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_crashes_its_server_crashes_no_other() {
    for round in 0..rounds() {
        let cluster = STAGE.whole().await;
        end_leftovers(&cluster);
        within(LIMIT, async {
            let db = slow_to_return(&cluster).connect().await.unwrap();
            db.execute_unprepared("INSERT INTO log VALUES (1)")
                .await
                .unwrap();
            let (before, killer) = (crashes(&cluster), Killer::of(&cluster));
            let began = Instant::now();
            let eventual = db.with_consistency(Consistency::Eventual);
            let one = crashed(&read(&eventual, GUILTY).await.unwrap_err());
            println!(
                "round {round}: {one} crashed, told after {:?}",
                began.elapsed()
            );
            assert_eq!(since(&cluster, &before).iter().sum::<usize>(), 1);

            // Who asks for the primary is told at once, and whoever wrote waits for a replica.
            assert_kept_back(&read(&db.primary(), GUILTY).await.unwrap_err(), &one);
            let txn = db.begin().await.unwrap();
            assert_kept_back(&read(&txn, GUILTY).await.unwrap_err(), &one);
            read(&txn, "SELECT 1").await.unwrap();
            txn.execute_unprepared("INSERT INTO log VALUES (2)")
                .await
                .unwrap();
            txn.commit().await.unwrap();
            let two = crashed(&read(&db, GUILTY).await.unwrap_err());
            assert_ne!(one, two);
            assert_eq!(
                since(&cluster, &before),
                [0, 1, 1],
                "the primary stands first"
            );

            // Nobody is left who may run it; others are served.
            let third = tokio::time::timeout(Duration::from_millis(200), read(&db, GUILTY));
            assert!(third.await.is_err(), "it waits for one of them");
            assert_eq!(number(&db, "SELECT count(*) FROM log").await, 2);
            drop(killer);
            // One that is back by now may have run it again.
            assert_eq!(since(&cluster, &before)[0], 0);
        })
        .await;
    }
}

/// R5: what ran beside it is served by another replica, and is not suspected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_beside_a_query_that_crashes_its_server_moves() {
    for round in 0..rounds() {
        let cluster = STAGE.whole().await;
        end_leftovers(&cluster);
        within(LIMIT, async {
            let db = slow_to_return(&cluster)
                .consistency(Consistency::Eventual)
                .connect()
                .await
                .unwrap();
            let before = crashes(&cluster);
            let innocent = |_| {
                let db = db.clone();
                tokio::spawn(async move { read(&db, INNOCENT).await })
            };
            let innocents: Vec<_> = (0..8).map(innocent).collect();
            eventually("all of them run", async || {
                let standbys = cluster.standbys().iter();
                standbys
                    .map(|node| running(node, "innocent"))
                    .sum::<usize>()
                    == 8
            })
            .await;
            let killer = Killer::of(&cluster);
            let one = crashed(&read(&db, GUILTY).await.unwrap_err());
            // The text is as good as before, on the primary too.
            let again = tokio::spawn({
                let primary = db.primary();
                async move { read(&primary, INNOCENT).await }
            });
            for innocent in innocents {
                innocent.await.unwrap().unwrap();
            }
            again.await.unwrap().unwrap();
            drop(killer);
            let crashed = since(&cluster, &before);
            println!("round {round}: {one} crashed beside 8: {crashed:?}");
            assert_eq!((crashed[0], crashed.iter().sum::<usize>()), (0, 1));
        })
        .await;
    }
}

/// R5: where there is one replica, what ran beside it waits for that to come back, rather than try the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_the_only_replica_reads_wait_until_it_is_back() {
    let cluster = STAGE.whole().await;
    end_leftovers(&cluster);
    within(LIMIT, async {
        let one = format!("{}?name=one", cluster.standby(0).url());
        let db = RoutedConnection::builder()
            .primary(cluster.primary().url())
            .replicas([one])
            .consistency(Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let before = crashes(&cluster);
        let decisions = Decisions::new();
        let innocent = |_| {
            let db = db.clone();
            tokio::spawn(decisions.of(async move { read(&db, INNOCENT).await }))
        };
        let innocents: Vec<_> = (0..3).map(innocent).collect();
        until_running(cluster.standby(0), "innocent", 3).await;
        let killer = Killer::of(&cluster);
        assert_eq!(crashed(&read(&db, GUILTY).await.unwrap_err()), "one");
        for innocent in innocents {
            innocent.await.unwrap().unwrap();
        }
        drop(killer);
        assert_eq!(since(&cluster, &before), [0, 1, 0]);
        let nodes = decisions.by_node();
        assert_eq!(nodes.get("one"), Some(&6), "each of them twice: {nodes:?}");
        assert_eq!(nodes.len(), 1, "{nodes:?}");
    })
    .await;
}

/// R5: where it does not come back in time, what ran beside it fails as something that was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_beside_it_and_found_no_other_replica_was_sent() {
    let cluster = STAGE.whole().await;
    end_leftovers(&cluster);
    within(LIMIT, async {
        let db = RoutedConnection::builder()
            .primary(cluster.primary().url())
            .replicas([format!("{}?name=one", cluster.standby(0).url())])
            .check_timeout(Duration::from_secs(5))
            .eject_first(Duration::from_secs(25))
            .route_timeout(Duration::from_secs(1))
            .consistency(Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let innocent = tokio::spawn({
            let db = db.clone();
            async move { read(&db, INNOCENT).await }
        });
        until_running(cluster.standby(0), "innocent", 1).await;
        let killer = Killer::of(&cluster);
        assert_eq!(crashed(&read(&db, GUILTY).await.unwrap_err()), "one");
        drop(killer);
        assert_eq!(crashed(&innocent.await.unwrap().unwrap_err()), "one");
    })
    .await;
}

/// R5: the same for a stream before its first row and for a transaction on a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_and_a_transaction_that_crash_their_server_crash_no_other() {
    let cluster = STAGE.whole().await;
    end_leftovers(&cluster);
    within(LIMIT, async {
        let db = slow_to_return(&cluster).connect().await.unwrap();
        let (before, killer) = (crashes(&cluster), Killer::of(&cluster));
        let mut rows = db.stream_raw(sql(&db, GUILTY)).await.unwrap();
        let one = crashed(&rows.next().await.unwrap().unwrap_err());
        assert!(rows.next().await.is_none());
        drop(rows);

        let reads = TransactionOptions {
            access_mode: Some(AccessMode::ReadOnly),
            ..Default::default()
        };
        let txn = db.begin_with_options(reads).await.unwrap();
        let two = crashed(&read(&txn, GUILTY).await.unwrap_err());
        drop(txn);
        assert_ne!(one, two);
        assert!(read(&db.primary(), GUILTY).await.is_err());
        drop(killer);
        assert_eq!(since(&cluster, &before), [0, 1, 1]);
    })
    .await;
}

/// R5: a write is never repeated, and a read that crashed the primary is not repeated either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_crashes_the_primary_crashes_it_once() {
    let cluster = STAGE.whole().await;
    end_leftovers(&cluster);
    within(LIMIT, async {
        let db = builder(&cluster).connect().await.unwrap();
        let (before, killer) = (crashes(&cluster), Killer::of(&cluster));
        let node = crashed(&read(&db.primary(), GUILTY).await.unwrap_err());
        assert_eq!(node, "primary");
        until_used_as_primary(&db).await;
        let write = "INSERT INTO log SELECT 7 FROM pg_sleep(30) guilty";
        let err = db.execute_unprepared(write).await.unwrap_err();
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::UnknownOutcome { .. }), "{ours}");
        until_used_as_primary(&db).await;
        drop(killer);
        assert_eq!(since(&cluster, &before), [2, 0, 0]);
    })
    .await;
}

async fn until_used_as_primary(db: &RoutedConnection) {
    eventually("the primary is back", async || {
        db.execute_unprepared("INSERT INTO log VALUES (1)")
            .await
            .is_ok()
    })
    .await;
}

/// R5: a connection that was reset is no crash, however long it takes until somebody can tell: its text is run wherever it
/// would have been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_only_broke_keeps_its_text_from_nobody() {
    let cluster = STAGE.whole().await;
    end_leftovers(&cluster);
    within(LIMIT, async {
        let wire = Forwarder::to(cluster.standby(0).addr()).unwrap();
        let db = RoutedConnection::builder()
            .primary(cluster.primary().url())
            .replicas([cluster.standby(0).url_at(wire.addr(), "postgres")])
            .consistency(Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let broken = tokio::spawn({
            let db = db.clone();
            async move { read(&db, INNOCENT).await }
        });
        until_running(cluster.standby(0), "innocent", 1).await;
        // Nobody is let in any more, and nobody is refused.
        wire.black_hole();
        wire.disconnect();
        eventually("it is noticed", async || {
            db.explain(INNOCENT).role != Some(Role::Replica)
        })
        .await;
        let txn = db.begin().await.unwrap();
        let primary = db.primary();
        let (inside, beside) = tokio::join!(read(&txn, INNOCENT), read(&primary, INNOCENT));
        inside.unwrap();
        beside.unwrap();
        txn.rollback().await.unwrap();
        broken.await.unwrap().unwrap();
    })
    .await;
}

/// R5: a server that is gone makes nobody suspected: no read fails, whichever way it went.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_is_stopped_at_once() {
    let cluster = STAGE.whole().await;
    end_leftovers(&cluster);
    within(LIMIT * 3, async {
        let db = builder(&cluster)
            .consistency(Consistency::Eventual)
            .eject_first(Duration::from_millis(50))
            .eject_max(Duration::from_millis(500))
            .ramp_up(Duration::from_millis(400))
            .connect()
            .await
            .unwrap();
        let readers = Readers::start(&db, 8);
        let sleepers = Sleepers::start(&db, 4);
        for round in 0..2 * rounds() {
            for name in ["one", "two"] {
                let standby = cluster.standby(usize::from(name == "two"));
                readers.more(100).await;
                until_running(standby, "sleeper", 1).await;
                readers.slowest();
                match round % 2 {
                    0 => standby.stop(Stop::Immediate).unwrap(),
                    _ => standby.kill().unwrap(),
                }
                until_ejected(&db, name).await;
                readers.more(100).await;
                println!("round {round}, {name}: slowest {:?}", readers.slowest());
                sleepers.check();
                standby.start().unwrap();
                until_used(&db, name).await;
            }
        }
        sleepers.end().await;
        println!("{} reads", readers.end().await);
    })
    .await;
}

/// Reads that run for a while, so that some are always under way.
struct Sleepers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Result<(), DbErr>>>,
}

impl Sleepers {
    fn start(db: &RoutedConnection, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = |_| {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    read(
                        &db,
                        "SELECT id, pg_sleep(0.1) AS sleeper FROM item WHERE id = 1",
                    )
                    .await?;
                }
                Ok(())
            })
        };
        let tasks = (0..count).map(task).collect();
        Self { stop, tasks }
    }

    fn check(&self) {
        assert!(
            self.tasks.iter().all(|task| !task.is_finished()),
            "one failed"
        );
    }

    async fn end(self) {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.unwrap().unwrap();
        }
    }
}
