//! Each time-out counts its own phase, and a connection under way is kept (R4, T1).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::Role;
use sealane_harness::{Cluster, Forwarder};

use crate::{
    faults::{LIMIT, eventually, status, until_used, within},
    fixture::{builder, cluster, number, sql},
};

const MS: Duration = Duration::from_millis(1);

/// R4: to wait for a primary is not to acquire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_waited_for_the_new_primary_longer_than_for_a_place_are_done_there() {
    let cluster = cluster(1);
    within(LIMIT, async {
        let db = builder(&cluster)
            .acquire_timeout(400 * MS)
            .replica_acquire_timeout(200 * MS)
            .max_connections(2)
            .connect()
            .await
            .unwrap();
        db.execute_unprepared("CREATE TABLE note (n int)")
            .await
            .unwrap();
        cluster.wait_caught_up().unwrap();
        cluster.primary().kill().unwrap();
        eventually("the primary is missed", async || {
            status(&db, "primary").role != Role::Primary || status(&db, "primary").in_doubt
        })
        .await;
        let writes: Vec<_> = (0..6)
            .map(|n| {
                let db = db.clone();
                let text = format!("INSERT INTO note VALUES ({n})");
                tokio::spawn(async move { db.execute_unprepared(&text).await })
            })
            .collect();
        // Longer than a place is waited for.
        tokio::time::sleep(900 * MS).await;
        cluster.standby(0).promote().unwrap();
        for write in writes {
            write.await.unwrap().unwrap();
        }
        assert_eq!(number(&db, "SELECT count(*) FROM note").await, 6);
    })
    .await;
}

/// A cluster whose replica is so far away, each way.
fn far(cluster: &Cluster, delay: Duration) -> (Forwarder, String) {
    let way = Forwarder::to(cluster.standby(0).addr()).unwrap();
    way.delay(delay);
    let url = cluster.standby(0).url_at(way.addr(), "postgres");
    (way, format!("{url}?name=far"))
}

/// T1, R8: a replica to which connecting takes longer than an answer may is found, and used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_to_which_connecting_takes_longer_than_an_answer_may_is_used() {
    // With a password, so that it takes four round trips to connect, and two to ask.
    let cluster = Cluster::builder().standbys(1).password(Some("secret"));
    let cluster = cluster.start().unwrap();
    let (way, url) = far(&cluster, 100 * MS);
    within(LIMIT, async {
        let db = sealane::RoutedConnection::builder()
            .primary(cluster.primary().url())
            .replica(url)
            .check_timeout(600 * MS)
            .replica_acquire_timeout(150 * MS)
            .connect()
            .await
            .unwrap();
        until_used(&db, "far").await;
        // Nothing is open to it any more, and no attempt is quick enough for whoever wants one.
        way.disconnect();
        eventually("reads are served there", async || {
            let read = sql(&db, "SELECT count(*) FROM pg_class");
            db.replica().query_one_raw(read).await.is_ok()
        })
        .await;
        way.disconnect();
        until_used(&db, "far").await;
    })
    .await;
}
