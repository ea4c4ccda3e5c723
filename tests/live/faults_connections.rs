//! Connections that break under statements: what is sent again, what is not, and what the caller learns (R5, T9).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{Builder, Error, Outcome, RoutedConnection, Stage as At};
use sealane_harness::{Cluster, Forwarder, Node, long_form};

use crate::{
    faults::{LIMIT, Readers, Stage, eventually, outcome, running, status, until_running, within},
    fixture::{builder, number, sql},
};

static STAGE: Stage = Stage::new();

const MS: Duration = Duration::from_millis(1);

/// A handle whose primary is behind a forwarder.
async fn behind(cluster: &Cluster, primary: &Forwarder) -> RoutedConnection {
    through(cluster, primary).connect().await.unwrap()
}

fn through(cluster: &Cluster, primary: &Forwarder) -> Builder {
    let url = cluster.primary().url_at(primary.addr(), "postgres");
    RoutedConnection::builder()
        .primary(format!("{url}?name=primary"))
        .replica(cluster.standby(0).url())
        .consistency(sealane::Consistency::Eventual)
        .eject_first(20 * MS)
        .eject_max(100 * MS)
        .ramp_up(100 * MS)
}

fn rows(node: &Node) -> u64 {
    node.sql("SELECT count(*) FROM log")
        .unwrap()
        .parse()
        .unwrap()
}

fn ours(err: &DbErr) -> &Error {
    Error::from_db_err(err).unwrap_or_else(|| panic!("not one of ours: {err:?}"))
}

/// R5, T9: 57P01 on a replica, idle or busy, on all replicas at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_while_an_administrator_ends_the_sessions_on_replicas() {
    let cluster = STAGE.whole().await;
    within(LIMIT * 3, async {
        let db = builder(&cluster)
            .consistency(sealane::Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let readers = Readers::start(&db, 8);
        let rounds = if long_form() { 200 } else { 15 };
        for round in 0..rounds {
            readers.more(40).await;
            for (place, standby) in cluster.standbys().iter().enumerate() {
                if round % 3 != place {
                    standby.terminate_connections().unwrap();
                }
            }
        }
        readers.more(100).await;
        println!(
            "{rounds} rounds of ended sessions, {} reads",
            readers.end().await
        );
    })
    .await;
}

/// T9: 57P01 is certain, so the write is sent again; its row is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_session_was_ended_by_an_administrator_is_sent_again() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = builder(&cluster).connect().await.unwrap();
        let primary = cluster.primary();
        let writing = tokio::spawn({
            let db = db.clone();
            async move {
                db.execute_unprepared("INSERT INTO log SELECT 1 FROM pg_sleep(0.4)")
                    .await
            }
        });
        until_running(primary, "INSERT INTO log", 1).await;
        primary.terminate_connections().unwrap();
        assert_eq!(writing.await.unwrap().unwrap().rows_affected(), 1);
        assert_eq!(rows(primary), 1);

        // Idle ones: several, so that more than one broken connection lies in the pool.
        let write = |db: RoutedConnection| async move {
            db.execute_unprepared("INSERT INTO log SELECT 2 FROM pg_sleep(0.05)")
                .await
                .unwrap()
        };
        for _ in 0..3 {
            let all = (0..6).map(|_| tokio::spawn(write(db.clone())));
            for done in all.collect::<Vec<_>>() {
                done.await.unwrap();
            }
            primary.terminate_connections().unwrap();
        }
        for _ in 0..6 {
            write(db.clone()).await;
        }
        assert_eq!(rows(primary), 1 + 3 * 6 + 6);
    })
    .await;
}

/// Promise 3, T9: nobody knows, so it says so and is not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_cut_off_on_its_way_is_an_unknown_outcome_and_sent_once() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let wire = Forwarder::to(cluster.primary().addr()).unwrap();
        let db = behind(&cluster, &wire).await;
        let primary = cluster.primary();
        primary.reset_statements().unwrap();
        let writing = tokio::spawn({
            let db = db.clone();
            async move {
                db.execute_unprepared("INSERT INTO log SELECT 1 FROM pg_sleep(0.3)")
                    .await
            }
        });
        until_running(primary, "INSERT INTO log", 1).await;
        wire.cut();
        let err = writing.await.unwrap().unwrap_err();
        assert!(
            matches!(ours(&err), Error::UnknownOutcome { node, stage: At::Send, .. } if node == "primary"),
            "{err}"
        );
        assert_eq!(ours(&err).outcome(), Outcome::Unknown);
        assert!(!ours(&err).is_retriable());
        wire.heal();
        // The server did not notice and went on: once.
        eventually("its end", async || running(primary, "INSERT INTO log") == 0).await;
        assert_eq!(number(&db.primary(), "SELECT count(*) FROM log").await, 1);
        assert_eq!(primary.statements_with("INSERT INTO log").unwrap(), 1);
    })
    .await;
}

/// Promise 5, T9: a lost COMMIT says so by type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_off_on_its_way_is_an_unknown_outcome() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let wire = Forwarder::to(cluster.primary().addr()).unwrap();
        let primary = cluster.primary();
        primary
            .sql(
                "CREATE OR REPLACE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$; \
                 CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED \
                 FOR EACH ROW EXECUTE FUNCTION slowly()",
            )
            .unwrap();
        let db = behind(&cluster, &wire).await;
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("INSERT INTO log VALUES (1)").await.unwrap();
        let committing = tokio::spawn(txn.commit());
        until_running(primary, "COMMIT", 1).await;
        wire.cut();
        let err = committing.await.unwrap().unwrap_err();
        assert!(
            matches!(ours(&err), Error::UnknownOutcome { stage: At::Commit, .. }),
            "{err}"
        );
        wire.heal();
        eventually("its end", async || running(primary, "COMMIT") == 0).await;
        assert_eq!(number(&db.primary(), "SELECT count(*) FROM log").await, 1);
    })
    .await;
}

/// T9: the end of a savepoint stores nothing, so nothing about it is unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nested_commit_that_is_cut_off_means_that_nothing_is_stored() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let wire = Forwarder::to(cluster.primary().addr()).unwrap();
        let db = behind(&cluster, &wire).await;
        let txn = db.begin().await.unwrap();
        let nested = txn.begin().await.unwrap();
        nested
            .execute_unprepared("INSERT INTO log VALUES (1)")
            .await
            .unwrap();
        wire.disconnect();
        for ended in [nested.commit().await, txn.commit().await] {
            let err = ended.unwrap_err();
            assert!(matches!(ours(&err), Error::TransactionLost { .. }), "{err}");
            assert_eq!(ours(&err).outcome(), Outcome::NotExecuted);
        }
        let rows = number(&db.primary(), "SELECT count(*) FROM log").await;
        assert_eq!(rows, 0);
    })
    .await;
}

/// T9: before COMMIT nothing of it is stored, and the error says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_cut_off_before_its_commit_is_lost_and_nothing_of_it_is_stored() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let wire = Forwarder::to(cluster.primary().addr()).unwrap();
        let db = behind(&cluster, &wire).await;
        // Between two statements, and under one.
        for under in [false, true] {
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared("INSERT INTO log VALUES (1)")
                .await
                .unwrap();
            let err = if under {
                let running = tokio::spawn(async move {
                    let err = txn
                        .execute_unprepared("INSERT INTO log SELECT 2 FROM pg_sleep(0.3)")
                        .await
                        .unwrap_err();
                    let after = txn.commit().await.unwrap_err();
                    assert!(
                        matches!(ours(&after), Error::TransactionLost { .. }),
                        "{after}"
                    );
                    err
                });
                until_running(cluster.primary(), "INSERT INTO log", 1).await;
                wire.disconnect();
                running.await.unwrap()
            } else {
                wire.disconnect();
                txn.execute_unprepared("INSERT INTO log VALUES (3)")
                    .await
                    .unwrap_err()
            };
            assert!(matches!(ours(&err), Error::TransactionLost { .. }), "{err}");
            assert_eq!(ours(&err).outcome(), Outcome::NotExecuted);
            assert!(ours(&err).is_retriable());
        }
        eventually("the ends of both", async || {
            running(cluster.primary(), "INSERT INTO log") == 0
        })
        .await;
        assert_eq!(number(&db.primary(), "SELECT count(*) FROM log").await, 0);
    })
    .await;
}

/// What a writer was told of each of its numbers.
type Told = BTreeMap<i64, Option<Outcome>>;

/// Promise 3 and 5, T9: under random cuts no number is there twice, none that was acknowledged is missing, and none of
/// which the error said that it was not executed is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_random_cuts_the_log_holds_what_the_writers_were_told() {
    let seed = std::env::var("SEALANETEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("SEALANETEST_SEED={seed}");
    let cluster = STAGE.whole().await;
    within(LIMIT * 10, async {
        let wire = Forwarder::to(cluster.primary().addr()).unwrap();
        wire.delay(MS);
        let db = behind(&cluster, &wire).await;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::<Mutex<Told>>::default();
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let (db, stop, told) = (db.clone(), Arc::clone(&stop), Arc::clone(&told));
                let mut rng = fastrand::Rng::with_seed(seed ^ writer);
                tokio::spawn(async move {
                    let mut next = i64::try_from(writer).unwrap() * 10_000_000;
                    while !stop.load(Relaxed) {
                        next += 2;
                        let (numbers, result) = write(&db, next, rng.u8(..4)).await;
                        let outcome = result.as_ref().err().map(outcome);
                        let mut told = told.lock().unwrap();
                        told.extend(numbers.into_iter().map(|number| (number, outcome)));
                    }
                })
            })
            .collect();
        let mut rng = fastrand::Rng::with_seed(seed);
        let cuts = if long_form() { 700 } else { 40 };
        for _ in 0..cuts {
            tokio::time::sleep(Duration::from_micros(rng.u64(5_000..150_000))).await;
            match rng.u8(..10) {
                0 => {
                    wire.cut();
                    tokio::time::sleep(Duration::from_micros(rng.u64(..20_000))).await;
                    wire.heal();
                    wire.delay(MS);
                }
                1 => cluster.primary().terminate_connections().unwrap(),
                _ => wire.disconnect(),
            }
        }
        stop.store(true, Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        wire.heal();
        let primary = cluster.primary();
        eventually("the last ones' end", async || running(primary, "INTO log") == 0).await;
        // What is open is rolled back.
        primary.terminate_connections().unwrap();
        let told = told.lock().unwrap();
        let there = primary.sql("SELECT n FROM log").unwrap();
        let mut log = BTreeMap::<i64, u32>::new();
        for line in there.lines() {
            *log.entry(line.parse().unwrap()).or_default() += 1;
        }
        let mut seen = [0_u32; 4];
        for (number, count) in &log {
            assert_eq!(*count, 1, "{number} is there {count} times");
            assert!(told.contains_key(number), "{number} was never written");
        }
        for (number, outcome) in told.iter() {
            let there = log.contains_key(number);
            match outcome {
                None => {
                    assert!(there, "{number} was acknowledged and is missing");
                    seen[0] += 1;
                }
                Some(Outcome::NotExecuted) => {
                    assert!(!there, "{number} was said not to be executed and is there");
                    seen[1] += 1;
                }
                Some(Outcome::Unknown) => seen[if there { 2 } else { 3 }] += 1,
                Some(other) => panic!("{number}: a write that failed was {other}"),
            }
        }
        println!(
            "{cuts} cuts: {} acknowledged, {} not executed, {} unknown and there, {} unknown and not",
            seen[0], seen[1], seen[2], seen[3]
        );
        assert!(seen[0] > 0 && seen[2] + seen[3] > 0, "the cuts hit nothing");
    })
    .await;
}

/// One number or two, in one of four ways.
async fn write(db: &RoutedConnection, number: i64, way: u8) -> (Vec<i64>, Result<(), DbErr>) {
    let insert = |number: i64| format!("INSERT INTO log VALUES ({number})");
    match way {
        0 => {
            let done = db.execute_unprepared(&insert(number)).await;
            (vec![number], done.map(drop))
        }
        1 => {
            let done = db.execute_raw(sql(db, &insert(number))).await;
            (vec![number], done.map(drop))
        }
        2 => {
            let stmt = sql(db, &format!("{} RETURNING n", insert(number)));
            (vec![number], db.query_one_raw(stmt).await.map(drop))
        }
        _ => {
            let both = async {
                let txn = db.begin().await?;
                txn.execute_unprepared(&insert(number)).await?;
                txn.execute_raw(sql(db, &insert(number + 1))).await?;
                txn.commit().await
            };
            (vec![number, number + 1], both.await)
        }
    }
}

/// T10: what an old connection says after a restart does not eject a server that is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_idle_connections_do_not_eject_a_replica_again_and_again() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = builder(&cluster)
            .consistency(sealane::Consistency::Eventual)
            .eject_first(20 * MS)
            .ramp_up(Duration::from_millis(200))
            .connect()
            .await
            .unwrap();
        let readers = Readers::start(&db, 8);
        readers.more(200).await;
        let before = status(&db, "one").generation;
        cluster.standby(0).kill().unwrap();
        cluster.standby(0).start().unwrap();
        eventually("it is used again", async || {
            let one = status(&db, "one");
            one.ineligible.is_none() && one.generation > before
        })
        .await;
        let settled = status(&db, "one").generation;
        readers.more(1000).await;
        readers.end().await;
        let after = status(&db, "one").generation;
        println!("generations: {before} before, {settled} when it was back, {after} later");
        assert_eq!(after, settled);
    })
    .await;
}
