//! Processes that start during or after a failover write to the same node as those that lived through it (rules T3, T14).

use sealane::{Failover, Role, RoutedConnection};
use sealane_harness::{Cluster, Node, Stop};

use super::{MS, blocking, builder, cluster, insert, promote, rows, status, until_role};
use crate::{heard::Heard, place::until};

fn named(node: &Node) -> String {
    format!("{}?name={}", node.url(), node.name())
}

fn quick(cluster: &Cluster) -> sealane::Builder {
    builder(cluster)
        .check_interval(50 * MS)
        .failover_timeout(1_000 * MS)
        .max_lag(None)
}

/// The first standby is promoted and the second one follows it, while the old primary is down.
async fn failed_over() -> Cluster {
    let cluster = cluster();
    cluster.primary().stop(Stop::Fast).unwrap();
    promote(cluster.standby(0)).await;
    let (follower, new) = (cluster.standby(1).clone(), cluster.standby(0).clone());
    blocking(move || follower.repoint(&new).unwrap()).await;
    cluster
}

#[tokio::test]
async fn a_process_that_starts_after_a_failover_never_writes_to_the_stale_primary() {
    let cluster = failed_over().await;
    let (old, new) = (cluster.primary(), cluster.standby(0));
    old.start().unwrap();
    for n in 0..10 {
        let (heard, _listening) = Heard::listen();
        let db = quick(&cluster).connect().await.unwrap();
        insert(&db, n).await.unwrap();
        assert_eq!((rows(old, n), rows(new, n)), (0, 1), "start {n}");
        assert_eq!(status(&db, old).role, Role::Fenced);
        until("the warning", async || {
            heard.warnings().iter().any(|line| {
                line.contains(old.name())
                    && line.contains(new.name())
                    && line.contains("timeline 1")
                    && line.contains("timeline 2")
            })
        })
        .await;
    }
}

#[tokio::test]
async fn a_process_starts_with_the_new_primary_while_the_configured_one_is_down() {
    let cluster = failed_over().await;
    let new = cluster.standby(0);
    for n in 0..3 {
        let db = quick(&cluster).connect().await.unwrap();
        insert(&db, n).await.unwrap();
        assert_eq!((rows(new, n), status(&db, new).role), (1, Role::Primary));
    }
    // Also where that one is all that is left beside the dead one.
    let alone = RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replica(named(new))
        .connect()
        .await
        .unwrap();
    insert(&alone, 7).await.unwrap();
    assert_eq!(rows(new, 7), 1);
}

#[tokio::test]
async fn a_standby_that_follows_a_primary_which_is_not_there_lets_nobody_write_to_the_stale_one() {
    let cluster = failed_over().await;
    let (old, new, follower) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    old.start().unwrap();
    let without_new = || {
        RoutedConnection::builder()
            .primary(named(old))
            .replica(named(follower))
            .failover_timeout(200 * MS)
    };
    let err = without_new().connect().await.unwrap_err().to_string();
    for part in [old.name(), follower.name(), "timeline 1", "timeline 2"] {
        assert!(err.contains(part), "`{part}` in {err}");
    }
    let db = without_new()
        .start_without_primary(true)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap_err();
    assert_eq!((rows(old, 1), rows(new, 1)), (0, 0));
}

#[tokio::test]
async fn with_confirmed_a_replica_that_is_promoted_beside_a_healthy_primary_gets_no_writes() {
    let cluster = cluster();
    let (old, copy, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let confirmed = || quick(&cluster).failover(Failover::Confirmed);
    let db = confirmed().connect().await.unwrap();
    promote(copy).await;
    until_role(&db, copy, Role::Fenced).await;
    for n in 0..20 {
        insert(&db, n).await.unwrap();
        assert_eq!((rows(old, n), rows(copy, n)), (1, 0));
    }
    // A backend that somebody terminates is no witness.
    old.terminate_connections().unwrap();
    until("writes again", async || insert(&db, 20).await.is_ok()).await;
    assert_eq!(rows(copy, 20), 0);

    // A process that starts now cannot know, and says what to do.
    let err = confirmed().connect().await.unwrap_err().to_string();
    for part in [
        old.name(),
        copy.name(),
        "timeline 1",
        "timeline 2",
        "SEALANE_FAILOVER=auto",
    ] {
        assert!(err.contains(part), "`{part}` in {err}");
    }
    let waiting = confirmed()
        .start_without_primary(true)
        .connect()
        .await
        .unwrap();
    insert(&waiting, 21).await.unwrap_err();
    assert_eq!((rows(old, 21), rows(copy, 21)), (0, 0));

    // Another member that follows it is a witness.
    let (follower, new) = (other.clone(), copy.clone());
    blocking(move || {
        follower.rewind_to(&new).unwrap();
    })
    .await;
    for (n, db) in [(30, &db), (31, &waiting)] {
        until_role(db, copy, Role::Primary).await;
        insert(db, n).await.unwrap();
        assert_eq!((rows(old, n), rows(copy, n)), (0, 1));
    }
}

#[tokio::test]
async fn with_confirmed_a_dead_primary_is_a_witness() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let db = quick(&cluster)
        .failover(Failover::Confirmed)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    cluster.wait_caught_up().unwrap();
    old.kill().unwrap();
    promote(new).await;
    until("writes", async || insert(&db, 2).await.is_ok()).await;
    assert_eq!((rows(new, 1), rows(new, 2)), (1, 1));
}
