//! The primary is gone, and one name has several servers: each serves what it surely has (rule C6).

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};
use sealane::{Error, Outcome, RoutedConnection};
use sealane_harness::{Cluster, HaProxy, Stop};

use crate::{
    fixture::{number, sql},
    place::{own_cluster, until},
};

const MS: Duration = Duration::from_millis(1);
const COUNT: &str = "SELECT count(*) AS own FROM t";

/// The first two standbys behind one name.
async fn connect(cluster: &Cluster) -> (RoutedConnection, HaProxy) {
    let (one, other) = (cluster.standby(0), cluster.standby(1));
    let proxy = HaProxy::over(&[one.addr(), other.addr()]).unwrap();
    let db = RoutedConnection::builder()
        .primary(format!("{}?name=primary", cluster.primary().url()))
        .replica(one.url_at(proxy.addr(), "postgres"))
        .check_interval(100 * MS)
        .max_lag(None)
        .route_timeout(3_000 * MS)
        .replica_acquire_timeout(1_000 * MS)
        .connect()
        .await
        .unwrap();
    (db, proxy)
}

async fn insert(db: &RoutedConnection, n: i64) {
    db.execute_unprepared(&format!("INSERT INTO t VALUES ({n})"))
        .await
        .unwrap();
}

/// Reads until both servers have answered.
async fn meet_both(db: &RoutedConnection, cluster: &Cluster) {
    let slow = "SELECT count(*) AS slow FROM generate_series(1, 300000)";
    until("both servers to be met", async || {
        futures_util::future::join_all((0..6).map(|_| number(db, slow))).await;
        let met = |at| cluster.standby(at).statements_with("AS slow").unwrap();
        met(0) > 0 && met(1) > 0
    })
    .await;
}

async fn until_lost(db: &RoutedConnection) {
    until("the loss of the primary", async || {
        db.cluster().topology().to_string().contains("unknown")
    })
    .await;
}

async fn read(db: &RoutedConnection) -> Result<i64, DbErr> {
    let row = db.query_one_raw(sql(db, COUNT)).await?;
    row.unwrap().try_get_by_index(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_are_read_from_the_servers_that_have_them_and_from_no_other() {
    let cluster = own_cluster(2);
    let (db, _proxy) = connect(&cluster).await;
    let session = db.session();
    insert(&session, 1).await;
    cluster.wait_caught_up().unwrap();
    meet_both(&db, &cluster).await;
    assert_eq!(read(&session).await.unwrap(), 1);
    let lags = cluster.standby(1);
    lags.pause_replay().unwrap();
    let later = db.session();
    insert(&later, 2).await;
    assert_eq!(read(&later).await.unwrap(), 2);
    cluster
        .standby(0)
        .wait_caught_up_with(cluster.primary())
        .unwrap();
    cluster.primary().stop(Stop::Fast).unwrap();
    until_lost(&db).await;
    for round in 0..30 {
        if round % 10 == 0 {
            // Connections that nobody takes go back to their pool, and are asked anew.
            tokio::time::sleep(300 * MS).await;
        }
        assert!(read(&session).await.unwrap() >= 1);
        assert_eq!(read(&later).await.unwrap(), 2, "the other one lags");
    }
    // What it had received it replays, and has to say so again.
    lags.resume_replay().unwrap();
    for _ in 0..10 {
        assert_eq!(read(&later).await.unwrap(), 2);
    }
}

/// They followed a primary that nobody here has seen, and are further than what was written: on another history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_a_later_primary_that_is_gone_too_serve_no_read_of_what_was_lost() {
    let cluster = own_cluster(3);
    let (db, _proxy) = connect(&cluster).await;
    insert(&db, 1).await;
    cluster.wait_caught_up().unwrap();
    meet_both(&db, &cluster).await;
    for standby in cluster.standbys() {
        standby.stop(Stop::Fast).unwrap();
    }
    insert(&db, 2).await;
    assert_eq!(read(&db).await.unwrap(), 2);
    cluster.primary().stop(Stop::Fast).unwrap();
    until_lost(&db).await;
    let new = cluster.standby(2);
    new.start().unwrap();
    new.promote().unwrap();
    for at in 0..2 {
        cluster.standby(at).start().unwrap();
        cluster.standby(at).repoint(new).unwrap();
    }
    // Far beyond what was written on the other timeline.
    new.sql("CREATE TABLE u AS SELECT generate_series(1, 100000) AS n")
        .unwrap();
    for at in 0..2 {
        cluster.standby(at).wait_caught_up_with(new).unwrap();
    }
    new.stop(Stop::Fast).unwrap();
    for _ in 0..3 {
        let err = read(&db).await.unwrap_err();
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert_eq!(ours.outcome(), Outcome::NotExecuted, "{err}");
    }
}
