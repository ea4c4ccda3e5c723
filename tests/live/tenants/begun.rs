//! Transactions of a handle with settings (rule R11).

use futures_util::TryStreamExt;
use sea_orm::{AccessMode, ConnectionTrait, IsolationLevel, StreamTrait, TransactionTrait};
use sealane::Role;

use super::{COUNT, builder, known, number, place, stmt, word};
use crate::heard::Heard;

const OWN: &str = "SELECT current_setting('app.tenant')";

/// How many notes a stream yields.
async fn streamed(db: &impl StreamTrait) -> usize {
    let rows = db.stream_raw(stmt("SELECT id FROM note")).await.unwrap();
    rows.try_collect::<Vec<_>>().await.unwrap().len()
}

#[tokio::test]
async fn a_transaction_has_the_setting_from_its_beginning_to_its_end() {
    let place = place("tenants_begun").await;
    let (heard, _guard) = Heard::listen();
    let db = builder(&place)
        .max_connections(1)
        .replica_max_connections(1)
        .read_functions(["current_setting"])
        .connect()
        .await
        .unwrap();
    let tenant = db.with_local("app.tenant", "b").unwrap();
    known(&tenant, &heard).await;

    let txn = tenant.begin().await.unwrap();
    assert_eq!(txn.role(), Role::Primary);
    assert_eq!(number(&txn, COUNT).await.unwrap(), 2);
    txn.execute_unprepared("INSERT INTO note (tenant, text) VALUES ('b', 'x')")
        .await
        .unwrap();
    let nested = txn.begin().await.unwrap();
    nested
        .execute_unprepared("INSERT INTO note (tenant, text) VALUES ('b', 'y')")
        .await
        .unwrap();
    assert_eq!(number(&nested, COUNT).await.unwrap(), 4);
    nested.rollback().await.unwrap();
    assert_eq!(word(&txn, OWN).await.unwrap(), "b");
    txn.commit().await.unwrap();
    assert_eq!(number(&tenant, COUNT).await.unwrap(), 3);

    // On the replica, what its policies read is as good as anything.
    for level in [None, Some(IsolationLevel::RepeatableRead)] {
        let eventual = tenant.with_consistency(sealane::Consistency::Eventual);
        let txn = eventual
            .begin_with_config(level, Some(AccessMode::ReadOnly))
            .await
            .unwrap();
        assert_eq!(txn.role(), Role::Replica);
        assert!(number(&txn, COUNT).await.unwrap() >= 2);
        assert_eq!(word(&txn, OWN).await.unwrap(), "b");
        assert!(streamed(&txn).await >= 2);
        txn.execute_unprepared("DELETE FROM note")
            .await
            .unwrap_err();
        drop(txn);
    }
    for handle in [db.primary(), db.replica()] {
        let left = "SELECT coalesce(current_setting('app.tenant', true), '')";
        assert_eq!(word(&handle, left).await.unwrap(), "");
        assert_eq!(
            number(&handle.with_local("app.tenant", "a").unwrap(), COUNT)
                .await
                .unwrap(),
            1
        );
    }

    // What a closure writes is the tenant's.
    let done = tenant.transaction_async(async |txn| {
        txn.execute_unprepared("INSERT INTO note (tenant, text) VALUES ('a', 'foreign')")
            .await
    });
    done.await.unwrap_err();
    // SeaORM's own connection knows nothing of it.
    assert_eq!(number(tenant.concrete(), COUNT).await.unwrap(), 0);
    db.close().await.unwrap();
}

/// Connections that the application made are set by SeaORM's own transactions.
#[tokio::test]
async fn a_connection_of_the_applications_is_set_as_well() {
    let place = place("tenants_adopted").await;
    let url = |url: String| url.replace("postgres@", "tenant_app@");
    let mut options = sea_orm::ConnectOptions::new(url(place.primary_url()));
    options.max_connections(1);
    let own = sea_orm::Database::connect(options).await.unwrap();
    let db = sealane::RoutedConnection::from(own);
    let tenant = db.with_local("app.tenant", "b").unwrap();
    assert_eq!(number(&tenant, COUNT).await.unwrap(), 2);
    tenant
        .execute_unprepared("INSERT INTO note (tenant, text) VALUES ('b', 'x')")
        .await
        .unwrap();
    tenant
        .execute_unprepared("INSERT INTO note (tenant, text) VALUES ('a', 'x')")
        .await
        .unwrap_err();
    assert_eq!(streamed(&tenant).await, 3);
    let rows = tenant
        .stream_raw(stmt("SELECT id FROM note"))
        .await
        .unwrap();
    drop(rows);
    assert_eq!(number(&db, COUNT).await.unwrap(), 0);
    db.close().await.unwrap();
}
