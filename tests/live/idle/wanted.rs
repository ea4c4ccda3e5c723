//! What is no statement keeps a cluster awake or wakes it, and what is closed asleep ends (rule T17).

use std::time::Instant;

use sealane::Error;

use super::*;

#[tokio::test]
async fn who_waits_for_replicas_keeps_it_awake_and_counts_them_while_it_sleeps() {
    let cluster = cluster(1);
    let db = builder(&cluster).connect().await.unwrap();
    let session = db.session();
    insert(&session, 1).await;
    until_asleep(&db).await;
    // Which of them is the primary is not known by now.
    let two = session.wait_for_replicas(2, 60_000 * MS).await;
    assert!(
        matches!(
            two,
            Err(Error::TooFewReplicas {
                wanted: 2,
                configured: 1
            })
        ),
        "{two:?}"
    );
    cluster.standby(0).pause_replay().unwrap();
    insert(&session, 2).await;
    let waiter = session.clone();
    let waits =
        tokio::spawn(async move { waiter.wait_for_replicas(1, Duration::from_secs(60)).await });
    // When this one sleeps, the other has had its time.
    for _ in 0..2 {
        let other = builder(&cluster).connect().await.unwrap();
        until_asleep(&other).await;
    }
    assert!(!db.cluster().topology().asleep);
    cluster.standby(0).resume_replay().unwrap();
    waits.await.unwrap().unwrap();
    until_asleep(&db).await;
}

#[tokio::test]
async fn a_handle_that_was_closed_asleep_fails_what_comes_and_what_waits() {
    let cluster = cluster(1);
    let long = Duration::from_secs(600);
    let connect = || builder(&cluster).failover_timeout(long).connect();
    let db = connect().await.unwrap();
    until_asleep(&db).await;
    db.close_by_ref().await.unwrap();
    let begun = Instant::now();
    db.ping().await.unwrap_err();
    db.execute_unprepared("SELECT 1").await.unwrap_err();
    db.begin().await.map(drop).unwrap_err();
    // Somebody waits for it to wake, from a server that says nothing.
    let db = connect().await.unwrap();
    until_asleep(&db).await;
    cluster.nodes().iter().for_each(Node::freeze);
    let other = db.clone();
    let write = tokio::spawn(async move {
        other
            .execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .map(drop)
    });
    let other = db.clone();
    let ping = tokio::spawn(async move { other.ping().await });
    tokio::time::sleep(100 * MS).await;
    db.close_by_ref().await.unwrap();
    write.await.unwrap().unwrap_err();
    ping.await.unwrap().unwrap_err();
    cluster.nodes().iter().for_each(Node::thaw);
    assert!(begun.elapsed() < long / 2, "{:?}", begun.elapsed());
}

#[cfg(feature = "rbac")]
#[tokio::test]
async fn loading_the_rules_of_access_wakes_it() {
    let cluster = cluster(0);
    let db = builder(&cluster).connect().await.unwrap();
    until_asleep(&db).await;
    // There are no such tables: the server says so.
    let said = db.load_rbac().await.unwrap_err();
    assert!(
        !matches!(said, sea_orm::DbErr::ConnectionAcquire(_)),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_standby_that_says_nothing_fails_no_statement_that_wakes_it() {
    let cluster = cluster(1);
    let (route, connect) = (1_000 * MS, Duration::from_secs(600));
    let db = builder(&cluster)
        .route_timeout(route)
        .connect_timeout(connect);
    let db = db.connect().await.unwrap();
    until_asleep(&db).await;
    cluster.standby(0).freeze();
    let read = db.query_one_raw(sql(&db, "SELECT count(*) FROM t")).await;
    cluster.standby(0).thaw();
    read.unwrap();
}
