//! Transactions on PostgreSQL: where they run, and what their ends mean (rule R9).

use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, IsolationLevel, TransactionError, TransactionTrait,
};
use sealane::{Error, Outcome, Role, RoutedConnection};

use crate::{
    fixture::number,
    heard::Heard,
    place::{Place, Slot},
};

static SLOT: Slot = Slot::new(1);

const COUNT: &str = "SELECT count(*) FROM t";

async fn start(database: &str) -> (Place, RoutedConnection) {
    let place = SLOT.shared(database).await;
    place.others(
        "CREATE TABLE t (id bigint PRIMARY KEY);
         CREATE TABLE late (id bigint REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let db = place.builder().connect().await.unwrap();
    (place, db)
}

async fn insert(db: &impl ConnectionTrait, id: i64) -> Result<(), DbErr> {
    let text = format!("INSERT INTO t VALUES ({id})");
    db.execute_unprepared(&text).await.map(drop)
}

fn stored(place: &Place) -> String {
    place.on(
        place.primary(),
        "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM t",
    )
}

#[tokio::test]
async fn a_failed_nested_begin_poisons_the_whole_transaction() {
    let (place, db) = start("txn_poisoned").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    insert(&txn, 1).await.unwrap_err();
    // In an aborted transaction no savepoint can be set.
    let err = txn.begin().await.unwrap_err();
    assert!(
        err.to_string().contains("current transaction is aborted"),
        "{err}"
    );
    for err in [
        insert(&txn, 2).await.unwrap_err(),
        txn.begin().await.unwrap_err(),
        txn.commit().await.unwrap_err(),
    ] {
        let ours = Error::of(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::TransactionPoisoned), "{err}");
        assert_eq!(ours.outcome(), Outcome::NotExecuted);
    }
    assert_eq!(stored(&place), "");
    // The connection came back clean.
    insert(&db, 3).await.unwrap();
    assert_eq!(stored(&place), "3");

    let txn = db.begin().await.unwrap();
    insert(&txn, 3).await.unwrap_err();
    txn.begin().await.unwrap_err();
    txn.rollback().await.unwrap();
    assert_eq!(stored(&place), "3");
}

#[tokio::test]
async fn commit_of_an_aborted_transaction_is_an_error() {
    let (place, db) = start("txn_aborted").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    insert(&txn, 1).await.unwrap_err();
    let err = txn.commit().await.unwrap_err();
    let ours = Error::of(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(
        matches!(ours, Error::CommitAborted { node } if node == "primary"),
        "{err}"
    );
    assert_eq!(ours.outcome(), Outcome::NotExecuted);

    // A closure that swallows the error is told as well, with SeaORM's own transaction inside.
    let swallowed = db
        .transaction_async(async |txn| {
            insert(txn, 2).await?;
            let _ = insert(txn.concrete(), 2).await;
            Ok::<_, DbErr>(())
        })
        .await;
    let Err(TransactionError::Connection(err)) = swallowed else {
        panic!("{swallowed:?}");
    };
    assert!(
        matches!(Error::of(&err), Some(Error::CommitAborted { .. })),
        "{err}"
    );
    assert_eq!(stored(&place), "");
}

#[tokio::test]
async fn a_savepoint_rolled_back_leaves_a_transaction_that_commits() {
    let (place, db) = start("txn_savepoint").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    let inner = txn.begin().await.unwrap();
    insert(&inner, 2).await.unwrap();
    insert(&inner, 1).await.unwrap_err();
    inner.rollback().await.unwrap();
    insert(&txn, 3).await.unwrap();
    let dropped = txn.begin().await.unwrap();
    insert(&dropped, 4).await.unwrap();
    drop(dropped);
    let inner = txn.begin().await.unwrap();
    insert(&inner, 5).await.unwrap();
    inner.commit().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(stored(&place), "1,3,5");
}

#[tokio::test]
async fn a_savepoint_with_an_error_in_it_is_undone_and_its_commit_says_so() {
    let (place, db) = start("txn_release").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    let inner = txn.begin().await.unwrap();
    insert(&inner, 2).await.unwrap();
    insert(&inner, 1).await.unwrap_err();
    let err = inner.commit().await.unwrap_err();
    assert!(
        err.to_string().contains("current transaction is aborted"),
        "{err}"
    );
    txn.commit().await.unwrap();
    assert_eq!(stored(&place), "1");
}

#[tokio::test]
async fn what_the_server_says_at_commit_comes_unchanged() {
    let (place, db) = start("txn_deferred").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    txn.execute_unprepared("INSERT INTO late VALUES (9)")
        .await
        .unwrap();
    let err = txn.commit().await.unwrap_err();
    assert!(
        matches!(
            err.sql_err(),
            Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_))
        ),
        "{err}"
    );
    assert!(Error::of(&err).is_none());
    assert_eq!(stored(&place), "");
}

#[tokio::test]
async fn a_read_only_transaction_runs_on_a_replica_unless_it_is_serializable() {
    use IsolationLevel::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable};

    let (place, db) = start("txn_levels").await;
    insert(&db, 1).await.unwrap();
    place.caught_up();
    let (heard, _guard) = Heard::listen();
    for (level, name) in [
        (None, "read committed"),
        (Some(ReadUncommitted), "read uncommitted"),
        (Some(ReadCommitted), "read committed"),
        (Some(RepeatableRead), "repeatable read"),
        (Some(Serializable), "serializable"),
    ] {
        for access in [
            None,
            Some(AccessMode::ReadWrite),
            Some(AccessMode::ReadOnly),
        ] {
            let read_only = matches!(access, Some(AccessMode::ReadOnly));
            let replica = read_only && !matches!(level, Some(Serializable));
            let txn = db.begin_with_config(level, access).await.unwrap();
            let row = ("SHOW transaction_isolation", "SHOW transaction_read_only");
            let said = async |text: &str| {
                let stmt = crate::fixture::sql(&db, text);
                let row = txn.query_one_raw(stmt).await.unwrap().unwrap();
                row.try_get_by_index::<String>(0).unwrap()
            };
            assert_eq!(said(row.0).await, name);
            assert_eq!(said(row.1).await == "on", read_only, "{name}");
            assert_eq!(txn.role() == Role::Replica, replica, "{name}");
            assert_eq!(number(&txn, COUNT).await, 1);
            let reason = if replica {
                "read_only_transaction"
            } else {
                "transaction"
            };
            assert_eq!(heard.decisions().remove(0).reason, reason);
            if read_only {
                insert(&txn, 9).await.unwrap_err();
                txn.rollback().await.unwrap();
            } else {
                txn.commit().await.unwrap();
            }
        }
    }
    assert_eq!(stored(&place), "1");
}

#[tokio::test]
async fn closures_with_a_level_run_where_they_belong() {
    let (place, db) = start("txn_closures").await;
    let read_only = Some(AccessMode::ReadOnly);
    let on = db
        .transaction_with_config::<_, _, DbErr>(
            |txn| Box::pin(async move { Ok((txn.role(), number(txn, COUNT).await)) }),
            Some(IsolationLevel::RepeatableRead),
            read_only,
        )
        .await
        .unwrap();
    assert_eq!(on, (Role::Replica, 0));
    let on = db
        .transaction_with_config_async(
            async |txn| {
                insert(txn, 1).await?;
                Ok::<_, DbErr>(txn.role())
            },
            Some(IsolationLevel::Serializable),
            None,
        )
        .await
        .unwrap();
    assert_eq!(on, Role::Primary);
    assert_eq!(stored(&place), "1");
}

#[tokio::test]
async fn serializable_transactions_that_collide_say_so_with_the_servers_code() {
    let (place, db) = start("txn_collide").await;
    let level = Some(IsolationLevel::Serializable);
    let one = db.begin_with_config(level, None).await.unwrap();
    let two = db.begin_with_config(level, None).await.unwrap();
    for (txn, id) in [(&one, 1), (&two, 2)] {
        number(txn, COUNT).await;
        insert(txn, id).await.unwrap();
    }
    one.commit().await.unwrap();
    let err = two.commit().await.unwrap_err();
    assert!(
        err.to_string().contains("could not serialize access"),
        "{err}"
    );
    assert!(Error::of(&err).is_none(), "the server's answer, unchanged");
    assert_eq!(stored(&place), "1");
}
