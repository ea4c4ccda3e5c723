//! One failover soon after another (rule R8).

use std::time::{Duration, Instant};

use sealane_harness::Stop;

use super::{blocking, builder, insert, own_cluster, promote, rows, soon};
use crate::place::until;

const MINUTE: Duration = Duration::from_mins(1);

/// It was down, and the next question to it is a minute away when it is promoted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_primary_takes_the_writes_when_the_new_one_is_lost_too() {
    let cluster = own_cluster(1);
    cluster
        .primary()
        .sql("CREATE TABLE IF NOT EXISTS t (n bigint)")
        .unwrap();
    cluster.wait_caught_up().unwrap();
    let pauses = builder(&cluster).eject_first(MINUTE).eject_max(MINUTE);
    let db = pauses.max_lag(None).connect().await.unwrap();
    let (old, new) = (cluster.primary().clone(), cluster.standby(0).clone());
    old.stop(Stop::Fast).unwrap();
    promote(&new).await;
    until("a write on the new one", async || {
        insert(&db, 1).await.is_ok()
    })
    .await;
    let (back, from) = (old.clone(), new.clone());
    blocking(move || {
        back.rewind_to(&from).unwrap();
        back.wait_caught_up_with(&from).unwrap();
    })
    .await;
    new.stop(Stop::Fast).unwrap();
    promote(&old).await;
    let begun = Instant::now();
    until("a write on the old one", async || {
        insert(&db, 2).await.is_ok()
    })
    .await;
    soon("the first write after the second promotion", begun);
    assert_eq!((rows(&old, 1), rows(&old, 2)), (1, 1));
}
