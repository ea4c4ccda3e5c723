//! A standby that crashes comes back behind what it had served (rule C4).

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};
use sealane_harness::Cluster;

use super::{COUNT, insert, until_on_a_replica};
use crate::fixture::number;

/// No restart point between, so that a crash has all of it to replay again.
const LOAD: &str = "INSERT INTO bulk SELECT repeat('x', 500) FROM generate_series(1, 20000)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_in_a_new_life_is_not_believed_what_the_old_one_had() {
    let cluster = Cluster::builder()
        .standbys(1)
        .own_identity()
        .setting("checkpoint_timeout", "1h")
        .setting("max_wal_size", "4GB")
        .setting("shared_buffers", "64MB")
        .start()
        .unwrap();
    cluster
        .primary()
        .sql("CREATE TABLE t (n bigint); CREATE TABLE bulk (filler text)")
        .unwrap();
    let db = RoutedConnection::builder()
        .primary(cluster.primary().url())
        .replica(cluster.standby(0).url())
        .consistency(Consistency::ReadYourWrites)
        .diversion_limit(100)
        // The pool replaces the connections of a server that crashed without a word.
        .ping_after_idle(Duration::ZERO)
        .connect()
        .await
        .unwrap();
    let mut behind = 0;
    for n in 1..=6 {
        for _ in 0..4 {
            db.without_tracking()
                .execute_unprepared(LOAD)
                .await
                .unwrap();
        }
        insert(&db, n).await;
        until_on_a_replica(&db, n).await;
        let standby = cluster.standby(0).clone();
        let crash = tokio::task::spawn_blocking(move || standby.crash().unwrap());
        let begun = Instant::now();
        while !crash.is_finished() || begun.elapsed() < Duration::from_millis(1_500) {
            assert_eq!(
                number(&db, COUNT).await,
                n,
                "{:?} after the crash",
                begun.elapsed()
            );
            let there = db.consistency(Consistency::Eventual);
            behind += u64::from(number(&there, COUNT).await < n);
        }
        crash.await.unwrap();
        until_on_a_replica(&db, n).await;
    }
    println!("{behind} reads elsewhere saw it behind");
}
