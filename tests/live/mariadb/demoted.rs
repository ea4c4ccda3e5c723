//! A primary that takes no more writes while pooled connections to it live on: MariaDB answers 1290 on each of them for as long
//! as they are kept (rule T8).

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{ClusterEvent, Outcome, Role};

use super::stage::Stage;
use crate::{
    faults::{outcome, status, within},
    fixture::number,
    place::until,
};

const LIMIT: Duration = Duration::from_secs(30);

const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";

#[tokio::test]
async fn it_is_asked_at_once_and_its_refusal_is_told() {
    let stage = Stage::new("demoted_asked").await;
    // The next look at the nodes by itself is far away.
    let builder = stage.builder().check_interval(Duration::from_secs(5));
    let db = builder
        .failover_timeout(Duration::from_millis(300))
        .connect()
        .await
        .unwrap();
    let mut events = db.cluster().subscribe().unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    stage.primary().reset_statements().unwrap();
    stage.primary().demote().unwrap();
    let refused = within(LIMIT, db.execute_unprepared(INSERT))
        .await
        .unwrap_err();
    assert_eq!(outcome(&refused), Outcome::NotExecuted, "{refused}");
    // The probe is what asks for the server's `read_only`.
    until("a probe", async || {
        stage
            .primary()
            .statements_with("@@global.read_only")
            .unwrap()
            > 0
    })
    .await;
    let told = async {
        loop {
            match events.next().await.unwrap() {
                ClusterEvent::PrimaryRefusesWrites { node } | ClusterEvent::Fenced { node, .. } => {
                    return node;
                }
                ClusterEvent::PrimaryLost => return "m1".to_owned(),
                _ => {}
            }
        }
    };
    assert_eq!(within(LIMIT, told).await, "m1");
    assert_eq!(
        stage
            .primary()
            .sql_in("demoted_asked", "SELECT count(*) FROM note")
            .unwrap(),
        "1"
    );
}

#[tokio::test]
async fn writes_go_on_by_themselves_when_it_takes_them_again() {
    let stage = Stage::new("demoted_again").await;
    let db = stage.builder().connect().await.unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    stage.primary().demote().unwrap();
    let waiting = {
        let db = db.clone();
        tokio::spawn(async move { db.execute_unprepared(INSERT).await })
    };
    until("nobody who takes writes", async || {
        status(&db, "m1").role != Role::Primary
    })
    .await;
    stage.primary().set("read_only", "0").unwrap();
    within(LIMIT, waiting).await.unwrap().unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM note").await, 2);
}

/// A transaction that began before ends with 1290 at COMMIT: nothing of it is stored, and the caller is told so.
#[tokio::test]
async fn a_transaction_that_was_open_is_not_stored() {
    let stage = Stage::new("demoted_open").await;
    let db = stage.builder().connect().await.unwrap();
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared(INSERT).await.unwrap();
    stage.primary().demote().unwrap();
    let refused: DbErr = txn.commit().await.unwrap_err();
    assert_eq!(outcome(&refused), Outcome::NotExecuted, "{refused}");
    stage.primary().set("read_only", "0").unwrap();
    assert_eq!(
        stage
            .primary()
            .sql_in("demoted_open", "SELECT count(*) FROM note")
            .unwrap(),
        "0"
    );
}
