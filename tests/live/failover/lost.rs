//! What was under way at a primary that is no more (rule C1): nobody waits for it.

use std::time::Instant;

use sea_orm::{StreamTrait, TransactionTrait};
use sealane::Reason;

use super::{COUNT, blocking, builder, cluster, insert, promote, soon, until_used};
use crate::{
    fixture::{number, sql},
    place::until,
};

#[tokio::test]
async fn what_was_lost_with_the_old_primary_keeps_no_read_on_the_new_one() {
    let cluster = cluster();
    let db = builder(&cluster).connect().await.unwrap();
    insert(&db, 1).await.unwrap();
    let other = sea_orm::Database::connect(cluster.primary().url())
        .await
        .unwrap();
    let held = other.begin().await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&held, "LOCK TABLE t IN SHARE MODE")
        .await
        .unwrap();
    let write = {
        let db = db.clone();
        tokio::spawn(async move { insert(&db, 2).await })
    };
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    until("the write to wait", async || {
        cluster.primary().sql(waiting).unwrap().trim() != "0"
    })
    .await;
    cluster.wait_caught_up().unwrap();
    let node = cluster.primary().clone();
    blocking(move || node.kill().unwrap()).await;
    promote(cluster.standby(0)).await;
    let node = (cluster.standby(1).clone(), cluster.standby(0).clone());
    blocking(move || node.0.repoint(&node.1).unwrap()).await;
    write.await.unwrap().unwrap_err();
    until_used(&db, cluster.standby(1)).await;
    let begun = Instant::now();
    until("a replica", async || {
        assert_eq!(number(&db, COUNT).await, 1);
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    soon("reads on a replica", begun);
}

/// Nothing ends it there but the verdict on its node.
#[tokio::test]
async fn a_stream_that_was_left_before_its_first_row_keeps_no_read_on_the_new_primary() {
    let cluster = cluster();
    let db = builder(&cluster).connect().await.unwrap();
    insert(&db, 1).await.unwrap();
    let slow = "INSERT INTO t SELECT 2 FROM pg_sleep(600) RETURNING n";
    let at_work =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO t SELECT 2%'";
    tokio::select! {
        _ = db.stream_raw(sql(&db, slow)) => panic!("it has a row"),
        () = until("the stream to begin", async || {
            cluster.primary().sql(at_work).unwrap().trim() == "1"
        }) => {}
    }
    cluster.wait_caught_up().unwrap();
    cluster.primary().freeze();
    promote(cluster.standby(0)).await;
    let node = (cluster.standby(1).clone(), cluster.standby(0).clone());
    blocking(move || node.0.repoint(&node.1).unwrap()).await;
    until_used(&db, cluster.standby(1)).await;
    let begun = Instant::now();
    until("a replica", async || {
        assert_eq!(number(&db, COUNT).await, 1);
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    soon("reads on a replica", begun);
}
