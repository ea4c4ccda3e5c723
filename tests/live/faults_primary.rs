//! A primary that dies and comes back: reads go on, writes wait or fail by type, and nobody reconnects by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait};
use sealane::{Error, Outcome};
use sealane_harness::{Forwarder, long_form};

use crate::{
    faults::{
        LIMIT, Readers, Stage, eventually, item, outcome, status, until_ejected, until_running,
        until_used, within,
    },
    fixture::{builder, number},
};

static STAGE: Stage = Stage::new();

const MS: Duration = Duration::from_millis(1);

/// R4, T9: a write that finds nobody fails at its deadline, not executed; one that has time waits for the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_stops_writes_only_and_is_used_again_after_its_restart() {
    let cluster = STAGE.whole().await;
    within(LIMIT * 3, async {
        let patient = builder(&cluster)
            .consistency(sealane::Consistency::Eventual)
            .eject_first(50 * MS)
            .eject_max(200 * MS)
            .connect()
            .await
            .unwrap();
        let hasty = builder(&cluster)
            .consistency(sealane::Consistency::Eventual)
            .failover_timeout(700 * MS)
            .eject_max(200 * MS)
            .connect()
            .await
            .unwrap();
        let rounds = if long_form() { 20 } else { 2 };
        let readers = Readers::start(&patient, 4);
        for round in 0..rounds {
            let written = Arc::new(AtomicU64::new(0));
            let stop = Arc::new(AtomicBool::new(false));
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    let (db, written, stop) =
                        (patient.clone(), Arc::clone(&written), Arc::clone(&stop));
                    tokio::spawn(async move {
                        let mut unknown = 0;
                        while !stop.load(Relaxed) {
                            match db.execute_unprepared("INSERT INTO log VALUES (1)").await {
                                Ok(_) => {
                                    written.fetch_add(1, Relaxed);
                                }
                                // The crash itself; what comes after it waits.
                                Err(err) => {
                                    assert_eq!(outcome(&err), Outcome::Unknown, "{err}");
                                    unknown += 1;
                                }
                            }
                        }
                        unknown
                    })
                })
                .collect();
            eventually("writes", async || written.load(Relaxed) > 30).await;
            until_doubted(&patient, false).await;
            until_doubted(&hasty, false).await;
            cluster.primary().kill().unwrap();
            until_doubted(&patient, true).await;
            until_doubted(&hasty, true).await;
            readers.decisions.take();
            readers.more(200).await;
            let nodes = readers.decisions.by_node();
            assert_eq!(nodes.get("primary"), None, "{nodes:?}");
            let begun = Instant::now();
            let err = hasty
                .execute_unprepared("INSERT INTO log VALUES (2)")
                .await
                .unwrap_err();
            assert_eq!(outcome(&err), Outcome::NotExecuted, "{err}");
            println!(
                "round {round}: a write with 700 ms to wait failed after {:?}: {err}",
                begun.elapsed()
            );
            let begun = Instant::now();
            let err = hasty.begin().await.unwrap_err();
            assert_eq!(outcome(&err), Outcome::NotExecuted, "{err}");
            println!("round {round}: a begin after {:?}: {err}", begun.elapsed());
            let so_far = written.load(Relaxed);
            cluster.primary().start().unwrap();
            let begun = Instant::now();
            eventually("writes again", async || written.load(Relaxed) > so_far + 30).await;
            println!(
                "round {round}: written again {:?} after the restart",
                begun.elapsed()
            );
            stop.store(true, Relaxed);
            let mut unknown = 0;
            for writer in writers {
                unknown += writer.await.unwrap();
            }
            // Each broken connection of the pool can cost one write at the most, before the node is found dead.
            assert!(unknown <= 10, "{unknown} unknown outcomes");
            hasty
                .execute_unprepared("INSERT INTO log VALUES (2)")
                .await
                .unwrap();
            let rows = u64::try_from(
                number(&patient.primary(), "SELECT count(*) FROM log WHERE n = 1").await,
            )
            .unwrap();
            assert!((written.load(Relaxed)..=written.load(Relaxed) + unknown).contains(&rows));
            patient.execute_unprepared("DELETE FROM log").await.unwrap();
            for standby in cluster.standbys() {
                standby.wait_streaming().unwrap();
            }
        }
        readers.end().await;
    })
    .await;
}

/// T6, T7: a write on a frozen primary ends by the verdict, and nobody knows its outcome; reads never notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_a_silent_primary_ends_with_an_unknown_outcome() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let wire = Forwarder::to(cluster.primary().addr()).unwrap();
        let db = sealane::RoutedConnection::builder()
            .primary(cluster.primary().url_at(wire.addr(), "postgres"))
            .replica(cluster.standby(0).url())
            .consistency(sealane::Consistency::Eventual)
            .connect_timeout(300 * MS)
            .check_timeout(300 * MS)
            .eject_max(300 * MS)
            .connect()
            .await
            .unwrap();
        let readers = Readers::start(&db, 4);
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("INSERT INTO log VALUES (1)")
            .await
            .unwrap();
        let open = db.begin().await.unwrap();
        open.execute_unprepared("INSERT INTO log VALUES (3)")
            .await
            .unwrap();
        let writing = tokio::spawn({
            let db = db.clone();
            async move {
                db.execute_unprepared("INSERT INTO log SELECT 2 FROM pg_sleep(0.3)")
                    .await
            }
        });
        until_running(cluster.primary(), "INSERT INTO log", 1).await;
        let begun = Instant::now();
        wire.black_hole();
        // These find no connection that is still good; nothing of theirs is sent before there is one.
        let later = ["INSERT INTO log VALUES (6)"; 8].map(|text| {
            let db = db.clone();
            tokio::spawn(async move { db.execute_unprepared(text).await })
        });
        let committing = tokio::spawn(txn.commit());
        let stuck = tokio::spawn(async move {
            let err = open
                .execute_unprepared("INSERT INTO log VALUES (4)")
                .await
                .unwrap_err();
            drop(open);
            err
        });
        let err = writing.await.unwrap().unwrap_err();
        println!("the write ended after {:?}: {err}", begun.elapsed());
        assert_eq!(outcome(&err), Outcome::Unknown);
        let err = committing.await.unwrap().unwrap_err();
        println!("the commit: {err}");
        assert_eq!(outcome(&err), Outcome::Unknown);
        let err = stuck.await.unwrap();
        assert!(
            matches!(
                Error::from_db_err(&err),
                Some(Error::TransactionLost { .. })
            ),
            "{err}"
        );
        wire.heal();
        db.execute_unprepared("INSERT INTO log VALUES (5)")
            .await
            .unwrap();
        for later in later {
            later.await.unwrap().unwrap();
        }
        assert_eq!(
            number(&db.primary(), "SELECT count(*) FROM log WHERE n = 6").await,
            8
        );
        readers.end().await;
    })
    .await;
}

async fn until_doubted(db: &sealane::RoutedConnection, doubted: bool) {
    eventually("what is thought of the primary", async || {
        status(db, "primary").in_doubt == doubted
    })
    .await;
}

/// R7: with nothing left there is an error in time, and everything works again without a new connect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_down_fails_in_time_and_recovers() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = builder(&cluster)
            .consistency(sealane::Consistency::Eventual)
            .route_timeout(600 * MS)
            .acquire_timeout(600 * MS)
            .failover_timeout(600 * MS)
            .eject_first(50 * MS)
            .eject_max(300 * MS)
            .connect()
            .await
            .unwrap();
        for node in cluster.nodes() {
            node.kill().unwrap();
        }
        for name in ["one", "two"] {
            until_ejected(&db, name).await;
        }
        for _ in 0..3 {
            let begun = Instant::now();
            let err = item::Entity::find().one(&db).await.unwrap_err();
            assert_eq!(outcome(&err), Outcome::NotExecuted, "{err}");
            assert!(begun.elapsed() < Duration::from_secs(5));
            println!(
                "a read with nobody there: {err} after {:?}",
                begun.elapsed()
            );
            db.execute_unprepared("INSERT INTO log VALUES (1)")
                .await
                .unwrap_err();
        }
        for node in cluster.nodes() {
            node.start().unwrap();
        }
        for name in ["one", "two"] {
            until_used(&db, name).await;
        }
        item::Entity::find().one(&db).await.unwrap().unwrap();
        eventually("writes", async || {
            db.execute_unprepared("INSERT INTO log VALUES (1)")
                .await
                .is_ok()
        })
        .await;
    })
    .await;
}
