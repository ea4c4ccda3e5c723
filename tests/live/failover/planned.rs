//! A planned change of the primary (rule T13).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::{Error, Role};
use sealane_harness::Stop;

use super::{COUNT, MS, blocking, builder, cluster, insert, until_role};
use crate::fixture::number;

/// Two handles with pools of their own; what holds writes back holds for both, since they are one process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_over_with_paused_writes_fails_nothing() {
    let cluster = cluster();
    let dbs = [
        builder(&cluster).connect().await.unwrap(),
        builder(&cluster).connect().await.unwrap(),
    ];
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let workers: Vec<_> = (0..6)
        .map(|place| {
            let (db, stop, written) = (
                dbs[place % 2].clone(),
                Arc::clone(&stop),
                Arc::clone(&written),
            );
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    match place % 3 {
                        0 => insert(&db, 1).await.unwrap(),
                        1 => {
                            let txn = db.begin().await.unwrap();
                            txn.execute_unprepared("INSERT INTO t VALUES (1)")
                                .await
                                .unwrap();
                            tokio::time::sleep(5 * MS).await;
                            txn.commit().await.unwrap();
                        }
                        _ => {
                            number(&db, COUNT).await;
                            continue;
                        }
                    }
                    written.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(300 * MS).await;
    let (old, new, other) = (
        cluster.primary().clone(),
        cluster.standby(0).clone(),
        cluster.standby(1).clone(),
    );
    let begun = Instant::now();
    let paused = dbs[0]
        .cluster()
        .pause_writes(Duration::from_secs(5))
        .await
        .unwrap();
    println!("paused after {:?}", begun.elapsed());
    assert!(!paused.position().is_empty());
    let so_far = written.load(Relaxed);
    let again = dbs[1]
        .cluster()
        .pause_writes(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(matches!(again, Error::StillWriting { .. }), "{again}");
    blocking({
        let (old, new, other) = (old.clone(), new.clone(), other.clone());
        move || {
            new.wait_caught_up_with(&old).unwrap();
            old.stop(Stop::Fast).unwrap();
            new.promote().unwrap();
            other.repoint(&new).unwrap();
        }
    })
    .await;
    assert_eq!(
        written.load(Relaxed),
        so_far,
        "nothing was written meanwhile"
    );
    drop(paused);
    for db in &dbs {
        until_role(db, &new, Role::Primary).await;
    }
    tokio::time::sleep(300 * MS).await;
    stop.store(true, Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let there = number(&dbs[0].primary(), COUNT).await;
    assert_eq!(u64::try_from(there).unwrap(), written.load(Relaxed));
    assert!(written.load(Relaxed) > so_far);
}

/// What does not end in time is no pause, and nothing is held back then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stays_open_is_named_and_writes_go_on() {
    let cluster = cluster();
    let db = builder(&cluster).connect().await.unwrap();
    let txn = db.begin().await.unwrap();
    let err = db.cluster().pause_writes(50 * MS).await.unwrap_err();
    assert!(
        err.to_string()
            .contains("1 writes or transactions are under way"),
        "{err}"
    );
    insert(&db, 1).await.unwrap();
    txn.commit().await.unwrap();
    let paused = db
        .cluster()
        .pause_writes(Duration::from_secs(5))
        .await
        .unwrap();
    let held = tokio::spawn({
        let db = db.clone();
        async move { insert(&db, 2).await }
    });
    // Reads go on, and so does a transaction that is declared read only.
    assert_eq!(number(&db, COUNT).await, 1);
    let read_only = db.begin_with_config(None, Some(sea_orm::AccessMode::ReadOnly));
    read_only.await.unwrap().commit().await.unwrap();
    assert!(!held.is_finished());
    drop(paused);
    held.await.unwrap().unwrap();
}
