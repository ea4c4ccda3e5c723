//! Mocks whose bookmarks work, and whose replicas' logs can be read (feature `testing`).

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, MockDatabase, MockExecResult, MockRow,
    Statement, TransactionTrait,
};
use sealane::{
    Error, Role, RoutedConnection,
    testing::{Simulation, assert_routed, record},
};

const ANSWERS: usize = 20;

fn mock() -> DatabaseConnection {
    let written = MockExecResult {
        rows_affected: 1,
        ..Default::default()
    };
    MockDatabase::new(DbBackend::Postgres)
        .append_exec_results(vec![written; ANSWERS])
        .append_query_results(vec![Vec::<MockRow>::new(); ANSWERS])
        .into_connection()
}

fn cluster() -> Simulation {
    Simulation::of(mock(), [mock(), mock()]).unwrap()
}

async fn read(db: &RoutedConnection) -> Result<(), DbErr> {
    let select = Statement::from_string(DbBackend::Postgres, "SELECT text FROM note");
    db.query_all_raw(select).await.map(drop)
}

async fn write(db: &RoutedConnection) {
    let insert = "INSERT INTO note VALUES ('milk')";
    db.execute_unprepared(insert).await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_on_the_replicas_when_the_test_says_so() {
    let cluster = cluster();
    let db = cluster.connection();
    assert_routed!(db, replica, { read(&db).await }).unwrap();
    write(&db).await;
    for _ in 0..3 {
        assert_routed!(db, primary, { read(&db).await }).unwrap();
    }
    // Who has not written is not held up.
    assert_routed!(db, replica, { read(&db.empty_session()).await }).unwrap();
    cluster.replicate();
    assert_routed!(db, replica, { read(&db).await }).unwrap();
    write(&db).await;
    assert_routed!(db, primary, { read(&db).await }).unwrap();
}

#[tokio::test]
async fn a_bookmark_carries_a_write_into_another_session() {
    let cluster = cluster();
    let db = cluster.connection();
    let session = db.session();
    assert!(session.bookmark().await.unwrap().is_empty());
    write(&session).await;
    let bookmark = session.bookmark().await.unwrap();
    assert!(!bookmark.is_empty());
    let bookmark = bookmark.to_string().parse().unwrap();
    let ((), statements) = record(&db, async {
        read(&db.session_from(&bookmark)).await.unwrap();
        cluster.replicate();
        read(&db.session_from(&bookmark)).await.unwrap();
    })
    .await;
    let roles: Vec<_> = statements.iter().filter_map(|one| one.role).collect();
    assert_eq!(roles, [Role::Primary, Role::Replica]);
}

#[tokio::test]
async fn waiting_for_replicas_ends_when_they_have_it() {
    let cluster = cluster();
    let db = cluster.connection();
    write(&db).await;
    let late = db.wait_for_replicas(2, Duration::from_millis(20)).await;
    assert!(matches!(late, Err(Error::NotReplicated { .. })), "{late:?}");
    cluster.replicate();
    db.wait_for_replicas(2, Duration::from_secs(10))
        .await
        .unwrap();
    write(&db).await;
    let (waited, ()) = tokio::join!(db.wait_for_replicas(2, Duration::from_secs(10)), async {
        tokio::task::yield_now().await;
        cluster.replicate();
    });
    waited.unwrap();
}

#[tokio::test]
async fn each_mock_has_a_log_of_its_own() {
    let cluster = cluster();
    let db = cluster.connection();
    write(&db).await;
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("DELETE FROM note").await.unwrap();
    txn.commit().await.unwrap();
    cluster.replicate();
    for _ in 0..6 {
        read(&db).await.unwrap();
    }
    let primary = cluster.primary_log();
    assert_eq!(primary.len(), 2, "{primary:?}");
    let (one, other) = (cluster.replica_log(0), cluster.replica_log(1));
    assert_eq!(one.len() + other.len(), 6);
    assert!(cluster.replica_log(2).is_empty());
    // The log was taken, the handle goes on.
    read(&db).await.unwrap();
    assert_eq!(
        cluster.replica_log(0).len() + cluster.replica_log(1).len(),
        1
    );
}
