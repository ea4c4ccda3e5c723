//! Two primaries at a time (rules T3–T5).

use std::time::Duration;

use sealane::{ClusterSignal, Role, RoutedConnection};
use sealane_harness::{Cluster, Node};

use super::{MS, blocking, builder, cluster, insert, promote, rows, status, until_role};
use crate::place::until;

/// Both standbys are promoted, and both come up in one epoch.
async fn both_promoted(cluster: &Cluster) {
    cluster.primary().kill().unwrap();
    let (one, two) = (cluster.standby(0).clone(), cluster.standby(1).clone());
    let one = blocking(move || one.promote().unwrap());
    let two = blocking(move || two.promote().unwrap());
    tokio::join!(one, two);
    for node in cluster.standbys() {
        assert_eq!(node.timeline().unwrap(), 2);
    }
}

fn patience(cluster: &Cluster) -> sealane::Builder {
    builder(cluster)
        .check_interval(50 * MS)
        .failover_timeout(1_000 * MS)
        .max_lag(None)
}

/// T4: nothing is written anywhere until somebody says which one it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_primaries_of_one_epoch_get_no_writes_until_one_is_accepted() {
    let cluster = cluster();
    let db = patience(&cluster).connect().await.unwrap();
    both_promoted(&cluster).await;
    let (one, two) = (cluster.standby(0), cluster.standby(1));
    until_role(&db, one, Role::Fenced).await;
    until_role(&db, two, Role::Fenced).await;
    insert(&db, 1).await.unwrap_err();
    assert_eq!((rows(one, 1), rows(two, 1)), (0, 0));
    db.cluster().accept(two.name()).await.unwrap();
    insert(&db, 2).await.unwrap();
    assert_eq!((rows(one, 2), rows(two, 2)), (0, 1));
    let err = db.cluster().accept("nobody").await.unwrap_err();
    assert!(
        err.to_string().contains("no node is called `nobody`"),
        "{err}"
    );
}

/// T4: two processes that meet them in opposite order write to one at the most, whatever their luck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_meet_two_primaries_in_opposite_order_write_to_one_at_the_most() {
    for round in 0..if sealane_harness::long_form() { 30 } else { 3 } {
        let cluster = cluster();
        let (one, two) = (cluster.standby(0).clone(), cluster.standby(1).clone());
        let named = |node: &Node| format!("{}?name={}", node.url(), node.name());
        let connect = async |order: [&Node; 2]| -> RoutedConnection {
            RoutedConnection::builder()
                .primary(named(cluster.primary()))
                .replicas(order.map(named))
                .check_interval(50 * MS)
                .failover_timeout(20 * MS)
                .max_lag(None)
                .connect()
                .await
                .unwrap()
        };
        let dbs = [connect([&one, &two]).await, connect([&two, &one]).await];
        let writers: Vec<_> = dbs
            .iter()
            .cloned()
            .zip([100_000, 200_000])
            .map(|(db, first)| {
                tokio::spawn(async move {
                    let begun = std::time::Instant::now();
                    for n in 0_i64.. {
                        if begun.elapsed() > Duration::from_millis(1_500) {
                            return;
                        }
                        // Most fail: there is no primary, or there are two.
                        let _ = insert(&db, first + n).await;
                        tokio::time::sleep(2 * MS).await;
                    }
                })
            })
            .collect();
        both_promoted(&cluster).await;
        for writer in writers {
            writer.await.unwrap();
        }
        // What both have came from the old primary.
        let common = one
            .sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM t")
            .unwrap();
        let other = two
            .sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM t")
            .unwrap();
        let set = |text: &str| -> std::collections::BTreeSet<i64> {
            text.trim()
                .split(',')
                .filter_map(|n| n.parse().ok())
                .collect()
        };
        let (of_one, of_two) = (set(&common), set(&other));
        let only_one = of_one.difference(&of_two).count();
        let only_two = of_two.difference(&of_one).count();
        println!(
            "round {round}: {} rows in common; {only_one} and {only_two} alone",
            of_one.len() - only_one
        );
        assert!(
            only_one == 0 || only_two == 0,
            "both were written to: {only_one} and {only_two}"
        );
        drop(dbs);
    }
}

/// T3: a copy of the cluster that was promoted elsewhere has its identity and a greater epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_promoted_before_the_start_is_quarantined() {
    let cluster = cluster();
    let (primary, copy) = (cluster.primary(), cluster.standby(1));
    promote(copy).await;
    let db = patience(&cluster).connect().await.unwrap();
    for n in 0..10 {
        insert(&db, n).await.unwrap();
        assert_eq!((rows(primary, n), rows(copy, n)), (1, 0));
    }
    assert_eq!(status(&db, copy).role, Role::Fenced);
    // Also when the primary is away for a moment, the one that is configured comes back.
    db.cluster().signal(ClusterSignal::Look).unwrap();
    assert_eq!(status(&db, primary).role, Role::Primary);
}

/// T5: a server of another cluster is no replica and no primary of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_cluster_is_fenced_whatever_it_says() {
    let (ours, theirs) = (cluster(), cluster());
    let stranger = theirs.primary();
    let db = patience(&ours)
        .replica(format!("{}?name=stranger", stranger.url()))
        .connect()
        .await
        .unwrap();
    until("the stranger to be fenced", async || {
        let topology = db.cluster().topology();
        let node = topology.nodes.iter().find(|node| node.name == "stranger");
        node.is_some_and(|node| node.role == Role::Fenced)
    })
    .await;
    ours.primary().kill().unwrap();
    insert(&db, 1).await.unwrap_err();
    assert_eq!(rows(stranger, 1), 0);
    promote(ours.standby(0)).await;
    until("writes", async || insert(&db, 2).await.is_ok()).await;
    assert_eq!((rows(ours.standby(0), 2), rows(stranger, 2)), (1, 0));
    tokio::time::sleep(Duration::from_millis(1)).await;
}
