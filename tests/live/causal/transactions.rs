//! Read-only transactions on a replica under the clock (rule R6).

use std::time::Duration;

use sea_orm::{AccessMode, ConnectionTrait, IsolationLevel, TransactionTrait};
use sealane::{Error, Role, RoutedConnection, RoutedTransaction};

use super::{COUNT, SLOT, connect, connect_with, insert};
use crate::fixture::{number, sql};

async fn read_only(db: &RoutedConnection, level: IsolationLevel) -> RoutedTransaction {
    let txn = db
        .begin_with_config(Some(level), Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    txn
}

#[tokio::test]
async fn at_read_committed_each_statement_sees_what_was_written_before_it() {
    let place = SLOT.alone("txn_committed").await;
    let db = connect(&place).await;
    for n in 1..=20 {
        let txn = read_only(&db, IsolationLevel::ReadCommitted).await;
        assert_eq!(number(&txn, COUNT).await, n - 1);
        insert(&db, n).await;
        assert_eq!(number(&txn, COUNT).await, n, "it waited for its own node");
        txn.commit().await.unwrap();
        place.caught_up();
        super::until_on_a_replica(&db, n).await;
    }
}

#[tokio::test]
async fn a_repeatable_read_keeps_its_snapshot_and_takes_none_that_is_stale() {
    let place = SLOT.alone("txn_repeatable").await;
    let db = connect(&place).await;
    let with = read_only(&db, IsolationLevel::RepeatableRead).await;
    let without = read_only(&db, IsolationLevel::RepeatableRead).await;
    assert_eq!(number(&with, COUNT).await, 0);
    insert(&db, 1).await;
    assert_eq!(
        number(&with, COUNT).await,
        0,
        "one snapshot serves to the end"
    );
    assert_eq!(number(&without, COUNT).await, 1, "it had none yet");
    with.commit().await.unwrap();
    without.commit().await.unwrap();
}

#[tokio::test]
async fn a_statement_whose_node_does_not_catch_up_fails_and_reads_nothing_stale() {
    let place = SLOT.alone("txn_error").await;
    let db = connect_with(&place, |builder| {
        builder
            .route_timeout(Duration::from_millis(200))
            .replica_acquire_timeout(Duration::from_millis(100))
    })
    .await;
    let (session, other) = (db.session(), db.session());
    let mine = read_only(&session, IsolationLevel::ReadCommitted).await;
    let others = read_only(&other, IsolationLevel::ReadCommitted).await;
    let _frozen = place.freeze_replay();
    insert(&session, 1).await;
    let err = mine.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(matches!(ours, Error::NotCaughtUp { .. }), "{err}");
    assert!(ours.is_retriable());
    assert_eq!(number(&others, COUNT).await, 0, "that write is not its own");
    mine.rollback().await.unwrap();
    others.rollback().await.unwrap();
    // Begun again, it is on the primary.
    let again = session
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(
        (again.role(), number(&again, COUNT).await),
        (Role::Primary, 1)
    );
    again.commit().await.unwrap();
}

/// R6: only a read takes the snapshot. A savepoint, a setting or a statement that failed for want of freshness does not.
#[tokio::test]
async fn a_repeatable_read_that_has_read_nothing_yet_takes_no_stale_snapshot() {
    let place = SLOT.alone("txn_unread").await;
    let db = connect_with(&place, |builder| {
        builder
            .route_timeout(Duration::from_millis(200))
            .replica_acquire_timeout(Duration::from_millis(100))
    })
    .await;
    let with_savepoint = read_only(&db, IsolationLevel::RepeatableRead).await;
    let savepoint = with_savepoint.begin().await.unwrap();
    let with_setting = read_only(&db, IsolationLevel::RepeatableRead).await;
    let setting = "SET LOCAL statement_timeout = 5000";
    with_setting.execute_unprepared(setting).await.unwrap();
    let frozen = place.freeze_replay();
    insert(&db, 1).await;
    for txn in [&savepoint, &with_setting] {
        for _ in 0..2 {
            let err = txn.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
            let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
            assert!(matches!(ours, Error::NotCaughtUp { .. }), "{err}");
        }
    }
    drop(frozen);
    place.caught_up();
    assert_eq!(number(&savepoint, COUNT).await, 1);
    assert_eq!(number(&with_setting, COUNT).await, 1);
    savepoint.rollback().await.unwrap();
    with_savepoint.rollback().await.unwrap();
    with_setting.rollback().await.unwrap();
}
