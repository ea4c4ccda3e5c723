//! Read-only transactions and what was written after they began (rule R6).

use std::time::{Duration, Instant};

use sea_orm::{AccessMode, ConnectionTrait, IsolationLevel, TransactionTrait};
use sealane::{Error, Role, RoutedConnection, RoutedTransaction};

use super::{COUNT, LONG, SLOT, connect, create};
use crate::{
    fixture::{number, sql},
    place::Place,
};

async fn read_only(db: &RoutedConnection, level: IsolationLevel) -> RoutedTransaction {
    let txn = db
        .begin_with_config(Some(level), Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    txn
}

async fn write(place: &Place, db: &RoutedConnection, n: u32) {
    db.execute_unprepared(&format!("INSERT INTO t VALUES ({n})"))
        .await
        .unwrap();
    place.caught_up();
}

#[tokio::test]
async fn a_statement_after_a_later_write_waits_for_the_pin_and_is_fresh() {
    let place = SLOT.alone("pin_waits").await;
    create(&place);
    let pin = Duration::from_millis(400);
    let db = connect(&place, pin).await;
    let txn = read_only(&db, IsolationLevel::ReadCommitted).await;
    assert_eq!(number(&txn, COUNT).await, 0);
    let before = Instant::now();
    write(&place, &db, 1).await;
    assert_eq!(number(&txn, COUNT).await, 1);
    assert!(before.elapsed() >= pin, "it waited for the whole pin");
    txn.commit().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_waited_for_is_an_error_that_may_be_tried_again() {
    let place = SLOT.alone("pin_error").await;
    create(&place);
    let db = place
        .builder()
        .consistency(sealane::Consistency::ReadYourWrites)
        .pin(LONG)
        .route_timeout(Duration::from_millis(200))
        .replica_acquire_timeout(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    let txn = read_only(&db, IsolationLevel::ReadCommitted).await;
    let _frozen = place.freeze_replay();
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let err = txn.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(matches!(ours, Error::NotCaughtUp { .. }), "{err}");
    assert!(ours.is_retriable());
    txn.rollback().await.unwrap();
    // Begun again, it is on the primary.
    let again = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(again.role(), Role::Primary);
    assert_eq!(number(&again, COUNT).await, 1);
    again.commit().await.unwrap();
}

#[tokio::test]
async fn a_repeatable_read_keeps_the_snapshot_that_it_has() {
    let place = SLOT.alone("pin_repeatable").await;
    create(&place);
    let db = connect(&place, LONG).await;
    let txn = read_only(&db, IsolationLevel::RepeatableRead).await;
    assert_eq!(number(&txn, COUNT).await, 0);
    write(&place, &db, 1).await;
    // With a pin this long, a statement that waited would fail.
    assert_eq!(
        number(&txn, COUNT).await,
        0,
        "one snapshot serves to the end"
    );
    txn.commit().await.unwrap();
}

#[tokio::test]
async fn a_repeatable_read_without_a_snapshot_waits_before_it_takes_one() {
    let place = SLOT.alone("pin_first").await;
    create(&place);
    let pin = Duration::from_millis(400);
    let db = connect(&place, pin).await;
    let txn = read_only(&db, IsolationLevel::RepeatableRead).await;
    let before = Instant::now();
    write(&place, &db, 1).await;
    assert_eq!(number(&txn, COUNT).await, 1);
    assert!(before.elapsed() >= pin);
    txn.commit().await.unwrap();
}
