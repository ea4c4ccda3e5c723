//! A standby that crashes comes back behind what it had served (rule C4).

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};
use sealane_harness::Cluster;

use super::{insert, until_on_a_replica};
use crate::crash::{LOAD, TABLES, counted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_in_a_new_life_is_not_believed_what_the_old_one_had() {
    let cluster = Cluster::builder()
        .standbys(1)
        .own_identity()
        .much_to_replay()
        .setting("shared_buffers", "64MB")
        .start()
        .unwrap();
    cluster.primary().sql(TABLES).unwrap();
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
            db.untracked().execute_unprepared(LOAD).await.unwrap();
        }
        insert(&db, n).await;
        until_on_a_replica(&db, n).await;
        let standby = cluster.standby(0).clone();
        let crash = tokio::task::spawn_blocking(move || standby.crash().unwrap());
        let begun = Instant::now();
        while !crash.is_finished() || begun.elapsed() < Duration::from_millis(1_500) {
            assert_eq!(
                counted(&db).await,
                n,
                "{:?} after the crash",
                begun.elapsed()
            );
            let there = db.with_consistency(Consistency::Eventual);
            behind += u64::from(counted(&there).await < n);
        }
        crash.await.unwrap();
        until_on_a_replica(&db, n).await;
    }
    println!("{behind} reads elsewhere saw it behind");
}

/// C4: a new connection proves itself once, and not again for each task that waited for its turn on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_take_turns_on_a_full_pool_ask_for_no_proof() {
    let place = super::SLOT.alone("lives_turns").await;
    let db = super::connect_with(&place, |builder| builder.replica_max_connections(2)).await;
    let asked = || {
        let question = "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())";
        let standbys = place.cluster().standbys().iter();
        standbys
            .map(|node| node.statements_with(question).unwrap())
            .sum::<u64>()
    };
    for standby in place.cluster().standbys() {
        standby.reset_statements().unwrap();
    }
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    crate::fixture::number(&db, super::COUNT).await;
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    let asked = asked();
    println!("{asked} proofs for 800 reads");
    // Four connections for statements, and those that ask for positions.
    assert!(asked <= 20, "{asked}");
}
