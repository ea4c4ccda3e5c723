//! Each time-out counts its own phase, and a connection under way is kept (R4, T1).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::Role;

use crate::{
    faults::{LIMIT, eventually, status, within},
    fixture::{builder, cluster, number},
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
