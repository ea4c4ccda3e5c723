//! Storms: primaries die, freeze, are cut off and come back while writers and readers remember what they were told
//! (promises 1 to 5).
//!
//! Every write says its key and number in a log without a unique index, so that one that is missing, one that is there
//! twice and one that a caller was told had not been executed are found; and it says the timeline of the server that
//! executed it, so that one that was accepted by a primary of an epoch that was over for this process is found. Every
//! read is held against what its writer was told before. The harness promotes like a quorum: both standbys are
//! detached from the old primary first, and the one that has received most is promoted. `SEALANETEST_SEED` repeats a
//! run's choices; the long form takes ten minutes.

mod disturber;
mod writers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node, long_form};

use self::{
    disturber::{Disturber, Quorum},
    writers::Writers,
};

/// A cluster whose nodes the client reaches through wires that can be cut, and that follow each other through such wires.
struct Sea {
    cluster: Cluster,
    wires: Vec<Forwarder>,
    /// From each node to the one that it follows.
    between: Arc<[Forwarder]>,
}

impl Sea {
    fn new(quorum: Quorum) -> Self {
        let cluster = Cluster::builder()
            .standbys(2)
            .own_identity()
            .setting("checkpoint_timeout", "1h")
            .setting("wal_receiver_timeout", "5s");
        let cluster = cluster.start().unwrap();
        cluster
            .primary()
            .sql("CREATE TABLE log (key bigint, n bigint, timeline bigint); CREATE TABLE mine (key bigint PRIMARY KEY, n bigint); \
                  INSERT INTO mine SELECT key, 0 FROM generate_series(0, 63) AS key")
            .unwrap();
        cluster.wait_caught_up().unwrap();
        if quorum == Quorum::Kept {
            for node in cluster.nodes() {
                node.set("synchronous_standby_names", "ANY 1 (*)").unwrap();
            }
        }
        let to = |node: &Node| Forwarder::to(node.addr()).unwrap();
        let wires = cluster.nodes().iter().map(to).collect();
        let primary = cluster.primary();
        let between: Arc<[Forwarder]> = cluster.nodes().iter().map(|_| to(primary)).collect();
        for (standby, wire) in cluster.standbys().iter().zip(&between[1..]) {
            standby.repoint_to(wire.addr()).unwrap();
        }
        Self {
            wires,
            between,
            cluster,
        }
    }

    async fn connect(&self) -> RoutedConnection {
        let url = |at: usize| {
            let node: &Node = &self.cluster.nodes()[at];
            let url = node.url_at(self.wires[at].addr(), "postgres");
            format!("{url}?name={}", node.name())
        };
        RoutedConnection::builder()
            .primary(url(0))
            .replicas([url(1), url(2)])
            .consistency(Consistency::ReadYourWrites)
            .check_interval(Duration::from_millis(200))
            .check_timeout(Duration::from_millis(400))
            .dead_after(Duration::from_millis(600))
            .connect_timeout(Duration::from_millis(500))
            .diversion_limit(100)
            .ramp_up(Duration::from_millis(200))
            .connect()
            .await
            .unwrap()
    }
}

async fn storm(quorum: Quorum, length: Duration) -> writers::Verdict {
    let seed = crate::history::seed();
    let sea = Sea::new(quorum);
    let db = sea.connect().await;
    let writers = Writers::start(&db, if quorum == Quorum::Kept { 8 } else { 4 });
    let disturber = Disturber::new(&sea, quorum, seed);
    let done = disturber.run(Instant::now() + length).await;
    println!("{done}");
    let primary = done.primary.clone();
    crate::place::until("writes after the storm", async || {
        db.execute_unprepared("INSERT INTO log VALUES (-1, 0, 0)")
            .await
            .is_ok()
    })
    .await;
    let told = writers.end().await;
    let verdict = told.against(&primary);
    println!("{verdict}");
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_storms_nothing_is_lost_written_twice_or_read_stale() {
    let length = if long_form() { 600 } else { 20 };
    let verdict = storm(Quorum::Kept, Duration::from_secs(length)).await;
    assert_eq!(verdict.wrong(), 0, "{verdict}");
    assert!(verdict.acknowledged > 100, "{verdict}");
}

/// Without synchronous replication a promotion loses what only the old primary had: else the checker is blind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_the_checker_finds_lost_writes() {
    let verdict = storm(Quorum::Ignored, Duration::from_secs(8)).await;
    assert!(verdict.lost > 0, "{verdict}");
    assert_eq!(verdict.twice, 0, "{verdict}");
}
