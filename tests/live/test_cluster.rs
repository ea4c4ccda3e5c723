//! The test kit as an application's suite uses it: one line for the servers, and each of its faults as the handle shows it.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DbErr, Statement, TransactionTrait};
use sealane::{
    Consistency, Error, Outcome, Role, RoutedConnection,
    testing::{assert_routed, routed},
};
use sealane_harness::{TestCluster, TestDatabase};

/// The tables first: what is made later is not known at once.
async fn connect(servers: &TestCluster, database: &TestDatabase) -> RoutedConnection {
    let create = "CREATE TABLE note (text text NOT NULL)";
    servers.primary().sql_in(database.name(), create).unwrap();
    servers.caught_up().unwrap();
    let nodes = RoutedConnection::builder().primary(database.primary_url());
    let nodes = nodes.replica(database.replica_url());
    nodes.connect().await.unwrap()
}

async fn notes(db: &RoutedConnection) -> Result<usize, DbErr> {
    let select = Statement::from_string(db.get_database_backend(), "SELECT text FROM note");
    Ok(db.query_all_raw(select).await?.len())
}

async fn add(db: &RoutedConnection) -> Result<(), DbErr> {
    db.execute_unprepared("INSERT INTO note VALUES ('milk')")
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_standby_stands_still_own_writes_are_seen_and_others_are_stale() {
    let servers = TestCluster::start().unwrap();
    let database = servers.database().unwrap();
    let db = connect(&servers, &database).await;
    db.wait_for_replicas(1, Duration::from_secs(10))
        .await
        .unwrap();
    assert_routed!(db, replica, { notes(&db).await }).unwrap();

    servers.lag(Duration::MAX).unwrap();
    add(&db).await.unwrap();
    let seen = assert_routed!(db, primary, { notes(&db).await }).unwrap();
    assert_eq!(seen, 1);
    let misrouted = routed(&db, Role::Replica, notes(&db)).await.unwrap_err();
    let said = misrouted.to_string();
    assert!(
        said.contains("not_caught_up: its session wrote before"),
        "{said}"
    );
    // A place that a suite with one database does not find.
    let eventual = db.with_consistency(Consistency::Eventual);
    assert_eq!(notes(&eventual).await.unwrap(), 0);

    servers.lag(Duration::ZERO).unwrap();
    db.wait_for_replicas(1, Duration::from_secs(10))
        .await
        .unwrap();
    assert_routed!(db, replica, { notes(&db).await }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_unknown_and_was_stored() {
    let servers = TestCluster::start().unwrap();
    let database = servers.database().unwrap();
    let db = connect(&servers, &database).await;
    servers.unknown_outcome();
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO note VALUES ('milk')")
        .await
        .unwrap();
    let err = txn.commit().await.unwrap_err();
    let err = Error::from_db_err(&err).unwrap();
    assert!(matches!(err, Error::UnknownOutcome { .. }), "{err}");
    assert_eq!(err.outcome(), Outcome::Unknown);
    assert_eq!(servers.lost_answers(), 1);
    assert_eq!(notes(&db).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_and_a_cut_pass_under_a_suite() {
    let servers = Arc::new(TestCluster::start().unwrap());
    let database = servers.database().unwrap();
    let db = connect(&servers, &database).await;
    db.wait_for_replicas(1, Duration::from_secs(10))
        .await
        .unwrap();
    let own = Arc::clone(&servers);
    tokio::task::spawn_blocking(move || own.fail_over())
        .await
        .unwrap()
        .unwrap();
    add(&db).await.unwrap();
    assert_eq!(notes(&db).await.unwrap(), 1);

    let own = Arc::clone(&servers);
    tokio::task::spawn_blocking(move || own.rejoin())
        .await
        .unwrap()
        .unwrap();
    servers.cut();
    // Reads go on, at the replica.
    let eventual = db.with_consistency(Consistency::Eventual);
    let mut answered = false;
    for _ in 0..100 {
        answered = notes(&eventual).await.is_ok();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered, "no replica serves");
    servers.heal();
    add(&db).await.unwrap();
}
