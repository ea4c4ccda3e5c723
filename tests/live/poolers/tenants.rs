//! Settings of one handle behind poolers: each client's own, and left to nobody (rule R11).

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{Consistency, RoutedConnection};
use sealane_harness::{PoolMode, StartUpOptions};

use super::{Poolers, SLOT};
use crate::fixture::sql;

const OWN: &str = "SELECT coalesce(current_setting('app.tenant', true), '')";

async fn own(db: &RoutedConnection) -> Result<String, DbErr> {
    let row = db.query_one_raw(sql(db, OWN)).await?.unwrap();
    row.try_get_by_index(0)
}

async fn behind(mode: PoolMode, database: &'static str) {
    let place = SLOT.shared(database).await;
    place.others("CREATE TABLE t (tenant text)");
    let poolers = Poolers::before(&place, mode, StartUpOptions::Dropped);
    let db = poolers
        .builder(database)
        .consistency(Consistency::Eventual)
        .max_connections(2)
        .connect()
        .await
        .unwrap();
    let clients = (0..6).map(|client| {
        let (db, name) = (db.clone(), format!("'{client}\\"));
        tokio::spawn(async move {
            let tenant = db.with_local("app.tenant", &name).unwrap();
            for _ in 0..15 {
                assert_eq!(own(&tenant.primary()).await.unwrap(), name);
                let fails = "SELECT 1 / (length(current_setting('app.tenant')) - 3)";
                tenant.query_one_raw(sql(&db, fails)).await.unwrap_err();
                let insert = "INSERT INTO t SELECT current_setting('app.tenant')";
                tenant.execute_raw(sql(&db, insert)).await.unwrap();
                tenant.execute_unprepared(insert).await.unwrap();
                let txn = tenant.begin().await.unwrap();
                let row = txn.query_one_raw(sql(&db, OWN)).await.unwrap().unwrap();
                assert_eq!(row.try_get_by_index::<String>(0).unwrap(), name);
                txn.commit().await.unwrap();
                assert_eq!(own(&db.primary()).await.unwrap(), "");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let written = "SELECT count(DISTINCT tenant) || ' ' || count(*) FROM t";
    assert_eq!(place.on(place.primary(), written), "6 180");
    db.close().await.unwrap();
}

#[tokio::test]
async fn behind_a_pooler_in_session_mode_a_setting_is_its_handles() {
    behind(PoolMode::Session, "poolers_tenants_session").await;
}

#[tokio::test]
async fn behind_a_pooler_in_transaction_mode_a_setting_is_its_handles() {
    behind(PoolMode::Transaction, "poolers_tenants_txn").await;
}
