//! Never less available than without replicas: at each load at which SeaORM alone fails no read, nothing fails here (R4, R7).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DbErr, Statement, TransactionOptions,
    TransactionTrait,
};
use sealane::Builder;
use sealane_harness::{Cluster, long_form};
use tokio::task::spawn_blocking;

use crate::{
    faults::{Decisions, LIMIT, eventually, running, status, until_running, until_used, within},
    fixture::{builder, cluster, number, sql},
};

const MS: Duration = Duration::from_millis(1);

/// Connections of each pool, here and with SeaORM alone.
const POOL: u32 = 4;

fn small(cluster: &Cluster) -> Builder {
    builder(cluster)
        .consistency(sealane::Consistency::Eventual)
        .max_connections(POOL)
        .check_interval(100 * MS)
        .max_lag(500 * MS)
        .eject_first(50 * MS)
        .eject_max(500 * MS)
}

#[derive(Clone, Copy, Debug)]
enum Load {
    /// As many callers as there are, each with one read after the other.
    Callers,
    /// All at once.
    Burst,
    /// Slow ones that nobody waits for to the end, and then quick ones.
    GivenUp,
}

/// Runs it; what became of each read that was waited for.
async fn run<C>(db: &C, load: Load) -> Vec<Result<(), DbErr>>
where
    C: ConnectionTrait + Clone + Send + Sync + 'static,
{
    let more = if long_form() { 5 } else { 1 };
    let (tasks, each, seconds) = match load {
        Load::Callers => (30, 5 * more, 0.02),
        Load::Burst => (120 * more, 1, 0.05),
        Load::GivenUp => (20, 1, 0.0),
    };
    if let Load::GivenUp = load {
        let slow = (0..24).map(|_| async move {
            let read = db.query_one_raw(read(db, 0.6, "given up"));
            let _ = tokio::time::timeout(40 * MS, read).await;
        });
        futures_util::future::join_all(slow).await;
    }
    let task = |_| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut done = Vec::new();
            for _ in 0..each {
                done.push(db.query_one_raw(read(&db, seconds, "load")).await.map(drop));
            }
            done
        })
    };
    let tasks: Vec<_> = (0..tasks).map(task).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.extend(task.await.unwrap());
    }
    done
}

fn read(db: &impl ConnectionTrait, seconds: f64, name: &str) -> Statement {
    let text = format!("SELECT '{name}', pg_sleep({seconds})");
    Statement::from_string(db.get_database_backend(), text)
}

fn failures(done: &[Result<(), DbErr>]) -> Vec<String> {
    let failed = done.iter().filter_map(|done| done.as_ref().err());
    failed.map(ToString::to_string).collect()
}

/// R7: up, restarting, lagging or stopped, one replica makes nothing fail that SeaORM alone would do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_replica_no_read_fails_that_seaorm_alone_would_serve() {
    let cluster = Arc::new(cluster(1));
    within(LIMIT * 2, async {
        let mut options = ConnectOptions::new(cluster.primary().url());
        options.max_connections(POOL).sqlx_logging(false);
        let alone = Database::connect(options).await.unwrap();
        let db = small(&cluster).connect().await.unwrap();
        db.execute_unprepared("CREATE TABLE note (n int)")
            .await
            .unwrap();
        until_used(&db, "one").await;
        for state in ["up", "restarting", "lagging", "stopped"] {
            match state {
                "lagging" => {
                    until_used(&db, "one").await;
                    cluster.standby(0).pause_replay().unwrap();
                    eventually("it lags", async || {
                        db.execute_unprepared("INSERT INTO note VALUES (1)")
                            .await
                            .unwrap();
                        status(&db, "one").ineligible.is_some()
                    })
                    .await;
                }
                "stopped" => {
                    cluster.standby(0).resume_replay().unwrap();
                    cluster.standby(0).kill().unwrap();
                }
                _ => {}
            }
            for load in [Load::Callers, Load::Burst, Load::GivenUp] {
                let failed = failures(&run(&alone, load).await);
                assert_eq!(failed, [""; 0], "SeaORM alone fails at {load:?}");
                let restart = (state == "restarting").then(|| {
                    let cluster = Arc::clone(&cluster);
                    spawn_blocking(move || cluster.standby(0).restart().unwrap())
                });
                let begun = Instant::now();
                let done = run(&db, load).await;
                let failed = failures(&done);
                println!(
                    "{state}, {load:?}: {} reads in {:?}",
                    done.len(),
                    begun.elapsed()
                );
                let some = &failed[..failed.len().min(3)];
                let all = done.len();
                assert!(
                    failed.is_empty(),
                    "{state}, {load:?}: {} of {all} failed: {some:#?}",
                    failed.len()
                );
                if let Some(restart) = restart {
                    restart.await.unwrap();
                }
            }
        }
    })
    .await;
}

/// R7: diverted reads hold their share of the primary's pool and no more, whether or not anybody waits for them, and
/// whatever they are; the writers have the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diverted_reads_hold_half_the_primarys_pool_and_the_others_wait_in_line() {
    let cluster = cluster(1);
    within(LIMIT, async {
        let db = small(&cluster).connect().await.unwrap();
        db.execute_unprepared("CREATE TABLE note (n int)")
            .await
            .unwrap();
        cluster.standby(0).kill().unwrap();
        eventually("found dead", async || {
            status(&db, "one").ineligible.is_some()
        })
        .await;
        let reads: Vec<_> = (0..6)
            .map(|turn| {
                let db = db.clone();
                tokio::spawn(async move {
                    if turn % 2 == 0 {
                        return db.query_one_raw(read(&db, 1.0, "diverted")).await.map(drop);
                    }
                    let txn = db.begin_with_options(read_only()).await?;
                    txn.query_one_raw(read(&db, 1.0, "diverted")).await?;
                    txn.commit().await
                })
            })
            .collect();
        until_running(cluster.primary(), "diverted", 2).await;
        for _ in 0..5 {
            db.execute_unprepared("INSERT INTO note VALUES (1)")
                .await
                .unwrap();
            // What one sees of several backends is not of one moment: of several looks the least is right.
            let looks = [(); 3].map(|()| running(cluster.primary(), "diverted"));
            assert!(looks.iter().any(|now| *now <= 2), "{looks:?}");
        }
        for read in reads {
            read.await.unwrap().unwrap();
        }

        // Given up, they hold it still, for as long as their server is at it.
        for _ in 0..6 {
            let read = db.query_one_raw(read(&db, 1.0, "forgotten"));
            let _ = tokio::time::timeout(30 * MS, read).await;
        }
        assert!(running(cluster.primary(), "forgotten") <= 2);
        let text = "SELECT 'line', n FROM note";
        let begun = Instant::now();
        db.query_all_raw(sql(&db, text)).await.unwrap();
        println!("behind two that were given up: {:?}", begun.elapsed());
    })
    .await;
}

fn read_only() -> TransactionOptions {
    TransactionOptions {
        access_mode: Some(AccessMode::ReadOnly),
        ..TransactionOptions::default()
    }
}

/// R7: a read that waits for the primary, because its replica was behind, goes to that one when it has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_in_the_primarys_line_goes_to_a_replica_that_has_caught_up() {
    let cluster = cluster(1);
    within(LIMIT, async {
        let db = small(&cluster)
            .max_connections(1)
            .max_lag(Duration::from_secs(60))
            .consistency(sealane::Consistency::ReadYourWrites)
            // A primary that is taken for dead has a new pool, with a place in it.
            .check_timeout(Duration::from_secs(10))
            .connect()
            .await
            .unwrap();
        db.execute_unprepared("CREATE TABLE note (n int)")
            .await
            .unwrap();
        // Until the catalog has been read that has the table, a text that names it is not known to be a read.
        eventually("the replica serves it", async || {
            cluster.wait_caught_up().unwrap();
            let decisions = Decisions::new();
            decisions.of(number(&db, "SELECT count(*) FROM note")).await;
            decisions.by_node().contains_key("one")
        })
        .await;
        cluster.standby(0).pause_replay().unwrap();
        db.execute_unprepared("INSERT INTO note VALUES (1)")
            .await
            .unwrap();
        let busy = {
            let db = db.primary();
            tokio::spawn(async move { db.query_one_raw(read(&db, 20.0, "busy")).await.map(drop) })
        };
        until_running(cluster.primary(), "busy", 1).await;
        let decisions = Decisions::new();
        let reads = [(); 2].map(|()| {
            let db = db.clone();
            tokio::spawn(
                decisions.of(async move { number(&db, "SELECT count(*) FROM note").await }),
            )
        });
        eventually("both have looked for a place", async || {
            decisions.count() >= 2
        })
        .await;
        tokio::time::sleep(100 * MS).await;
        let waited = reads.iter().all(|read| !read.is_finished());
        assert!(waited, "it did not have to wait: {:?}", decisions.take());
        cluster.standby(0).resume_replay().unwrap();
        for read in reads {
            assert_eq!(read.await.unwrap(), 1);
        }
        let ran = busy.is_finished();
        assert!(!ran, "the primary had a place: {:?}", decisions.take());
        assert!(decisions.by_node().contains_key("one"));
        busy.abort();
    })
    .await;
}
