//! Positions across a promotion (rules C2, C10, T2): those of two epochs prove nothing for each other.
//!
//! A server's orderly end is waited for beside the runtime: a connection that our side is just opening keeps that server
//! alive until somebody says on it what he wants.

use std::sync::Arc;

use sealane::{Consistency, Reason, RoutedConnection};
use sealane_harness::{Cluster, Stop};
use tokio::task::spawn_blocking;

use super::{COUNT, insert, reason, until_on_a_replica};
use crate::{fixture::number, place::until};

/// A primary whose last writes reached one standby only, and was then lost; the other standby is the primary now.
/// The first standby's position is far ahead of the new primary's, and lacks what that one writes.
fn diverged() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .start()
        .unwrap();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    old.sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    new.set("primary_conninfo", "").unwrap();
    old.sql("CREATE TABLE lost AS SELECT n, repeat('x', 100) AS filler FROM generate_series(1, 50000) AS n")
        .unwrap();
    cluster.standby(1).wait_caught_up_with(old).unwrap();
    old.stop(Stop::Immediate).unwrap();
    new.promote().unwrap();
    cluster
}

async fn connect(cluster: &Cluster, replica: &str) -> RoutedConnection {
    RoutedConnection::builder()
        .primary(cluster.standby(0).url())
        .replica(replica)
        .consistency(Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_went_another_way_proves_nothing_however_far_it_is() {
    let cluster = diverged();
    let astray = cluster.standby(1);
    let db = connect(&cluster, &astray.url()).await;
    for n in 1..=20 {
        insert(&db, n).await;
        assert_eq!(number(&db, COUNT).await, n);
        assert_ne!(reason(&db), Reason::Replica);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // Led back to the new primary, it is used again.
    astray.rewind_to(cluster.standby(0)).unwrap();
    astray.wait_streaming().unwrap();
    until_on_a_replica(&db, 20).await;
}

/// C10: what a session wrote to the old primary is exchanged for what survived.
#[tokio::test]
async fn after_a_promotion_old_positions_are_exchanged_and_replicas_are_used_again() {
    let cluster = Cluster::builder().standbys(2).own_identity();
    let cluster = Arc::new(cluster.start().unwrap());
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    old.sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    let db = RoutedConnection::builder()
        .primary(old.url())
        .replicas([
            format!("{}?name=new", new.url()),
            format!("{}?name=other", other.url()),
        ])
        .consistency(Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap();
    let session = db.session();
    insert(&session, 1).await;
    let bookmark = session.bookmark().await.unwrap();
    cluster.wait_caught_up().unwrap();
    until_on_a_replica(&session, 1).await;

    let stopped = cluster.clone();
    let stopped = spawn_blocking(move || stopped.primary().stop(Stop::Fast));
    stopped.await.unwrap().unwrap();
    new.promote().unwrap();
    other.repoint(new).unwrap();
    let nodes = [
        sealane::NodeConfig::primary(format!("{}?name=new", new.url())).unwrap(),
        sealane::NodeConfig::replica(format!("{}?name=other", other.url())).unwrap(),
    ];
    db.cluster().replace_nodes(nodes).await.unwrap();
    assert_eq!(number(&session, COUNT).await, 1);
    // The first write under the new primary tells its epoch.
    insert(&db, 2).await;
    until_on_a_replica(&db, 2).await;
    until_on_a_replica(&session, 2).await;
    assert_eq!(session.positions_lost(), 1);
    let reader = db.session_from(&bookmark);
    until("an exchange", async || {
        assert_eq!(number(&reader, COUNT).await, 2);
        reason(&reader) == Reason::Replica
    })
    .await;
    assert_eq!(
        crate::heard::counter(&db, "sealane_exchanged_bookmarks_total").await,
        1
    );
}
