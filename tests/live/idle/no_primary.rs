//! The primary is gone when a cluster wakes (rules T17, C6): a replica serves what it surely has, and nothing else.

use sealane::Error;
use sealane_harness::Stop;

use super::*;

const COUNT: &str = "SELECT count(*) FROM t";

async fn count(db: &RoutedConnection) -> Result<i64, sea_orm::DbErr> {
    let row = db.query_one_raw(sql(db, COUNT)).await?;
    row.unwrap().try_get_by_index(0)
}

async fn connect(cluster: &Cluster) -> RoutedConnection {
    let builder = builder(cluster).route_timeout(1_500 * MS);
    builder.connect().await.unwrap()
}

/// No read is served of what no node is known to have.
async fn reads_nothing(db: &RoutedConnection) {
    for _ in 0..3 {
        let read = count(db).await;
        assert!(
            matches!(&read, Err(err) if is_not_caught_up(err)),
            "{read:?}"
        );
    }
}

fn is_not_caught_up(err: &sea_orm::DbErr) -> bool {
    let ours = Error::from_db_err(err);
    matches!(
        ours,
        Some(Error::NotCaughtUp { .. } | Error::NoReplica { .. } | Error::NoPrimary { .. })
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_what_was_written_before_go_to_the_replica_that_has_it() {
    let cluster = cluster(2);
    let db = connect(&cluster).await;
    insert(&db, 1).await;
    cluster.wait_caught_up().unwrap();
    cluster.standby(1).pause_replay().unwrap();
    insert(&db, 2).await;
    assert_eq!(count(&db).await.unwrap(), 2);
    cluster
        .standby(0)
        .wait_caught_up_with(cluster.primary())
        .unwrap();
    for _ in 0..2 {
        until_asleep(&db).await;
        cluster.primary().stop(Stop::Fast).unwrap();
        for _ in 0..20 {
            assert_eq!(count(&db).await.unwrap(), 2, "the other one lags");
        }
        until_asleep(&db).await;
        cluster.primary().start().unwrap();
        cluster.standby(0).wait_streaming().unwrap();
    }
}

/// Nobody has read since, so nobody has asked where it lies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_last_is_placed_before_the_sleep() {
    let cluster = cluster(1);
    let db = connect(&cluster).await;
    insert(&db, 1).await;
    until_asleep(&db).await;
    cluster.wait_caught_up().unwrap();
    cluster.primary().stop(Stop::Fast).unwrap();
    assert_eq!(count(&db).await.unwrap(), 1);
}

/// It followed a primary that nobody here has seen, and is further than what was written: what it has is another history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_of_a_later_primary_that_is_gone_too_serves_no_read_of_what_was_lost() {
    let cluster = cluster(2);
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let db = connect(&cluster).await;
    insert(&db, 1).await;
    cluster.wait_caught_up().unwrap();
    cluster.standbys().iter().for_each(|standby| {
        standby.stop(Stop::Fast).unwrap();
    });
    insert(&db, 2).await;
    assert_eq!(count(&db).await.unwrap(), 2);
    until_asleep(&db).await;
    old.stop(Stop::Fast).unwrap();
    new.start().unwrap();
    new.promote().unwrap();
    other.start().unwrap();
    other.repoint(new).unwrap();
    // Far beyond what was written on the other timeline.
    new.sql("CREATE TABLE u AS SELECT generate_series(1, 100000) AS n")
        .unwrap();
    other.wait_caught_up_with(new).unwrap();
    new.stop(Stop::Fast).unwrap();
    reads_nothing(&db).await;
}

/// It stays on the timeline of before, and lacks what was written since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_followed_nobody_to_the_next_timeline_serves_no_read_of_it() {
    let cluster = cluster(2);
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let db = connect(&cluster).await;
    insert(&db, 1).await;
    cluster.wait_caught_up().unwrap();
    new.promote().unwrap();
    until("the new primary", async || role(&db, new) == Role::Primary).await;
    insert(&db, 2).await;
    assert_eq!(count(&db).await.unwrap(), 2);
    // The old one goes further, and so does who follows it.
    old.sql("CREATE TABLE u AS SELECT generate_series(1, 100000) AS n")
        .unwrap();
    cluster.standby(1).wait_caught_up_with(old).unwrap();
    until_asleep(&db).await;
    old.stop(Stop::Fast).unwrap();
    new.stop(Stop::Fast).unwrap();
    reads_nothing(&db).await;
}
