//! Where transactions of each isolation level and access mode run (table R).

use sea_orm::{AccessMode, ConnectionTrait, DbErr, IsolationLevel, TransactionTrait};
use sealane::{Error, Role};

use super::{insert, start, stored};
use crate::{fixture::number, heard::Heard};

const COUNT: &str = "SELECT count(*) FROM t";

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
    assert!(
        Error::from_db_err(&err).is_none(),
        "the server's answer, unchanged"
    );
    assert_eq!(stored(&place), "1");
}
