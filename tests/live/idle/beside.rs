//! Handles to one cluster share what is known of writes; each sleeps and wakes for itself (rule T17).

use futures_util::FutureExt;

use super::*;

/// Long enough for several looks: so many others have had their time.
async fn others_fall_asleep(cluster: &Cluster) {
    for _ in 0..4 {
        let other = builder(cluster).connect().await.unwrap();
        until_asleep(&other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_that_nobody_uses_sleeps_beside_one_that_is_busy() {
    let cluster = cluster(1);
    let connect = || builder(&cluster).connect();
    let busy = connect().await.unwrap();
    // Last, and heard at once: what is connected beside it may take longer than it takes to fall asleep.
    let idle = connect().await.unwrap();
    let mut events = idle.cluster().subscribe().unwrap();
    let work = tokio::spawn({
        let busy = busy.clone();
        async move {
            for n in 0.. {
                insert(&busy, n).await;
                number(&busy, "SELECT count(*) FROM t").await;
                busy.bookmark().await.unwrap();
                let paused = busy.cluster().pause_writes(10_000 * MS).await.unwrap();
                tokio::time::sleep(50 * MS).await;
                drop(paused);
            }
        }
    });
    until_asleep(&idle).await;
    others_fall_asleep(&cluster).await;
    assert!(!work.is_finished());
    work.abort();
    assert!(!busy.cluster().topology().asleep);
    let mut told = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        told.push(event);
    }
    assert_eq!(told, [ClusterEvent::Asleep]);
    assert!(number(&idle, "SELECT count(*) FROM t").await > 0);
    assert_eq!(events.next().await, Some(ClusterEvent::Awake));
}

#[tokio::test]
async fn a_write_whose_caller_left_keeps_its_own_handle_awake() {
    let cluster = cluster(0);
    let connect = || builder(&cluster).connect();
    let (db, other) = (connect().await.unwrap(), connect().await.unwrap());
    let holder = sea_orm::Database::connect(cluster.primary().url())
        .await
        .unwrap();
    let lock = holder.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE t").await.unwrap();
    let mut write = Box::pin(db.execute_unprepared("INSERT INTO t VALUES (1)"));
    until("the write to wait", async || {
        let _ = tokio::time::timeout(10 * MS, &mut write).await;
        clients(cluster.primary()) > 2
            && cluster
                .primary()
                .sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
                .unwrap()
                .trim()
                != "0"
    })
    .await;
    drop(write);
    until_asleep(&other).await;
    others_fall_asleep(&cluster).await;
    assert!(!db.cluster().topology().asleep);
    assert!(other.cluster().topology().asleep);
    lock.rollback().await.unwrap();
    until_asleep(&db).await;
    assert_eq!(rows(cluster.primary(), 1), 1);
}
