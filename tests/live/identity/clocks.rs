//! Handles of one process share what they write exactly when they lead to one cluster (rule C8).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Builder, Consistency, Reason, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node};

use crate::{
    fixture::number,
    place::{own_cluster as cluster, until},
};

const COUNT: &str = "SELECT count(*) FROM t";
const INSERT: &str = "INSERT INTO t VALUES (1)";

fn builder(primary: String, replica: String) -> Builder {
    RoutedConnection::builder()
        .primary(primary)
        .replica(replica)
        .consistency(Consistency::ReadYourWrites)
        .check_interval(Duration::from_millis(50))
        .max_lag(None)
}

/// Waits until reads go to the replica, also after a write.
async fn until_split(db: &RoutedConnection) {
    until("the replica", async || {
        let _ = number(db, COUNT).await;
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
}

async fn blocking<T: Send + 'static>(node: &Node, work: fn(Node) -> T) -> T {
    let node = node.clone();
    tokio::task::spawn_blocking(move || work(node))
        .await
        .unwrap()
}

/// Whatever one writes, the other one sees, while the standby replays nothing.
async fn see_each_other(cluster: &Cluster, (one, two): (&RoutedConnection, &RoutedConnection)) {
    until_split(one).await;
    until_split(two).await;
    cluster.standby(0).pause_replay().unwrap();
    let mut rows = number(&one.primary(), COUNT).await;
    for n in 0..10 {
        let (writer, reader) = if n % 2 == 0 { (one, two) } else { (two, one) };
        writer.execute_unprepared(INSERT).await.unwrap();
        rows += 1;
        for _ in 0..3 {
            assert_eq!(number(reader, COUNT).await, rows, "write {n}");
        }
    }
    cluster.standby(0).resume_replay().unwrap();
    until_split(one).await;
    until_split(two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_that_started_without_the_primary_sees_what_another_one_writes() {
    let cluster = cluster(1);
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    blocking(primary, |node| node.kill().unwrap()).await;
    let early = builder(primary.url(), standby.url()).start_without_primary(true);
    let early = early.connect().await.unwrap();
    blocking(primary, |node| node.start().unwrap()).await;
    blocking(standby, |node| node.wait_streaming().unwrap()).await;
    let late = builder(primary.url(), standby.url())
        .connect()
        .await
        .unwrap();
    until("writes", async || {
        early.execute_unprepared(INSERT).await.is_ok()
    })
    .await;
    see_each_other(&cluster, (&early, &late)).await;
}

/// It knew of no server at all when the other one began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_joins_the_others_when_it_learns_where_it_leads() {
    let cluster = cluster(1);
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    let wires = [primary, standby].map(|node| Forwarder::to(node.addr()).unwrap());
    let urls = [0, 1].map(|at| cluster.nodes()[at].url_at(wires[at].addr(), "postgres"));
    let [to_primary, to_standby] = urls;
    wires.iter().for_each(Forwarder::cut);
    let early = builder(to_primary, to_standby).start_without_primary(true);
    let early = early.connect().await.unwrap();
    let late = builder(primary.url(), standby.url())
        .connect()
        .await
        .unwrap();
    late.execute_unprepared(INSERT).await.unwrap();
    wires.iter().for_each(Forwarder::heal);
    until("writes", async || {
        early.execute_unprepared(INSERT).await.is_ok()
    })
    .await;
    see_each_other(&cluster, (&early, &late)).await;
}

/// One task asks the primary for all of them, by the way of one handle for as long as that leads there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_asked_by_another_handle_where_the_first_ones_way_is_cut_or_gone() {
    let cluster = cluster(1);
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    let wire = Forwarder::to(primary.addr()).unwrap();
    let behind = cluster.nodes()[0].url_at(wire.addr(), "postgres");
    let cut_off = builder(behind, standby.url()).connect().await.unwrap();
    until_split(&cut_off).await;
    let mut others = Vec::new();
    for _ in 0..2 {
        let other = builder(primary.url(), standby.url()).connect().await;
        others.push(other.unwrap());
    }
    let written = async |db: &RoutedConnection| {
        db.execute_unprepared(INSERT).await.unwrap();
        until_split(db).await;
    };
    wire.cut();
    written(&others[0]).await;
    // Whoever asks now is gone next.
    while let Some(next) = others.pop() {
        written(&next).await;
    }
    wire.heal();
    until("a write", async || {
        cut_off.execute_unprepared(INSERT).await.is_ok()
    })
    .await;
    until_split(&cut_off).await;
}

/// A clone of the disk, a restored snapshot, a copy for an upgrade: one identifier, two clusters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_copies_of_one_cluster_know_nothing_of_each_other() {
    let cluster = cluster(2);
    let (primary, standby, copy) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    blocking(copy, |node| node.promote().unwrap()).await;
    let ours = builder(primary.url(), standby.url())
        .connect()
        .await
        .unwrap();
    let theirs = RoutedConnection::builder().primary(copy.url());
    let theirs = theirs.connect().await.unwrap();
    until_split(&ours).await;
    for n in 1..=3 {
        theirs.execute_unprepared(INSERT).await.unwrap();
        ours.execute_unprepared(INSERT).await.unwrap();
        assert_eq!(number(&ours, COUNT).await, n);
        // Each is of the timeline of its own.
        for (db, timeline) in [(&theirs, "2"), (&ours, "1")] {
            let bookmark = db.bookmark().await.unwrap().to_string();
            let parts: Vec<_> = bookmark.split('.').collect();
            assert_eq!(parts[2], timeline, "{bookmark}");
        }
        until_split(&ours).await;
    }
}
