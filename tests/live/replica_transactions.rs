//! Read-only transactions on a replica: every statement inside is judged (rule R6).

use futures_util::TryStreamExt;
use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, IsolationLevel, StreamTrait, TransactionOptions,
    TransactionTrait,
};
use sealane::{Error, Outcome, Role, RoutedConnection, RoutedTransaction};

use crate::{
    fixture::{number, sql},
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

async fn start(database: &str) -> (Place, RoutedConnection) {
    let place = SLOT.shared(database).await;
    place.others("CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (1)");
    let db = place.builder().connect().await.unwrap();
    (place, db)
}

async fn read_only(db: &RoutedConnection) -> RoutedTransaction {
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    txn
}

fn is_refused(text: &str, err: &DbErr) {
    let ours = Error::from_db_err(err).unwrap_or_else(|| panic!("{text}: {err}"));
    assert!(matches!(ours, Error::OnlyReads { .. }), "{text}: {err}");
    assert_eq!(ours.outcome(), Outcome::NotExecuted);
    assert!(!ours.is_retriable());
    assert!(err.to_string().contains("primary()"), "{err}");
}

/// Every way to say it.
async fn refuses(txn: &RoutedTransaction, text: &str) {
    let stmt = || sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, text);
    is_refused(text, &txn.query_one_raw(stmt()).await.unwrap_err());
    is_refused(text, &txn.query_all_raw(stmt()).await.unwrap_err());
    is_refused(text, &txn.execute_raw(stmt()).await.unwrap_err());
    is_refused(text, &txn.execute_unprepared(text).await.unwrap_err());
    is_refused(text, &txn.stream_raw(stmt()).await.unwrap_err());
}

const NO_READS: [&str; 14] = [
    "SELECT pg_try_advisory_lock(42)",
    "SELECT pg_advisory_xact_lock_shared(42)",
    "LOCK TABLE t IN ROW EXCLUSIVE MODE",
    "SELECT dblink_exec('dbname=x', 'INSERT INTO t VALUES (2)')",
    "COPY (SELECT 1) TO PROGRAM 'touch {witness}'",
    "COPY t TO '{witness}'",
    "SELECT id FROM t FOR SHARE",
    "INSERT INTO t VALUES (2)",
    "SELECT pg_reload_conf()",
    "SET statement_timeout = 1000",
    "SET LOCAL standard_conforming_strings = off",
    "SELECT 1; SELECT pg_try_advisory_lock(42)",
    "COMMIT",
    "SELECT set_config('transaction_read_only', 'off', true)",
];

#[tokio::test]
async fn what_is_no_proven_read_is_refused_in_a_transaction_on_a_replica() {
    let (place, db) = start("replica_txn_refused").await;
    let witness = std::env::temp_dir().join(format!("sealane-witness-{}", std::process::id()));
    let texts = NO_READS.map(|text| text.replace("{witness}", &witness.display().to_string()));
    let txn = read_only(&db).await;
    for text in &texts {
        refuses(&txn, text).await;
        let nested = txn.begin().await.unwrap();
        refuses(&nested, text).await;
        nested.rollback().await.unwrap();
    }
    assert!(!witness.exists(), "a program or file on the replica's host");
    let locks =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' OR mode = 'RowExclusiveLock'";
    assert_eq!(place.on(place.standby(0), locks), "0");
    // Nothing was sent, so the transaction is as it was.
    assert_eq!(number(&txn, "SELECT count(*) FROM t").await, 1);
    txn.commit().await.unwrap();

    // On the primary it is the server's affair, as ever.
    let txn = db
        .primary()
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Primary);
    txn.query_one_raw(sql(&db, "SELECT pg_try_advisory_xact_lock(42)"))
        .await
        .unwrap();
    txn.rollback().await.unwrap();
}

#[tokio::test]
async fn reads_and_what_belongs_to_the_transaction_run_in_every_way() {
    let (_place, db) = start("replica_txn_reads").await;
    for level in [None, Some(IsolationLevel::RepeatableRead)] {
        let txn = db
            .begin_with_config(level, Some(AccessMode::ReadOnly))
            .await
            .unwrap();
        assert_eq!(txn.role(), Role::Replica);
        for text in [
            "SHOW transaction_isolation",
            "SET LOCAL statement_timeout = '5s'",
            "SET LOCAL app.tenant TO '17'",
            "SELECT set_config('app.tenant', '18', true)",
            "SAVEPOINT mine",
            "ROLLBACK TO SAVEPOINT mine",
            "RELEASE mine;",
            "SELECT id FROM t",
            "EXPLAIN SELECT id FROM t",
        ] {
            txn.execute_unprepared(text).await.unwrap();
        }
        let tenant = sql(&db, "SELECT current_setting('app.tenant', true)");
        let row = txn.query_one_raw(tenant).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "18");
        let nested = txn.begin().await.unwrap();
        let rows = nested
            .stream_raw(sql(&db, "SELECT id FROM t"))
            .await
            .unwrap();
        assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 1);
        nested.commit().await.unwrap();
        txn.execute_raw(sql(&db, "SELECT id FROM t")).await.unwrap();
        txn.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_nested_transaction_that_may_write_is_refused_and_poisons_nothing() {
    let (_place, db) = start("replica_txn_nested").await;
    let txn = read_only(&db).await;
    let writes = TransactionOptions {
        access_mode: Some(AccessMode::ReadWrite),
        ..TransactionOptions::default()
    };
    let err = txn.begin_with_options(writes).await.unwrap_err();
    is_refused("a nested begin", &err);
    assert_eq!(number(&txn, "SELECT count(*) FROM t").await, 1);
    txn.commit().await.unwrap();
}

/// What is only not known yet is waited for.
#[tokio::test]
async fn after_own_ddl_a_transaction_on_a_replica_waits_for_the_catalog() {
    let (place, db) = start("replica_txn_ddl").await;
    for round in 0..5 {
        let txn = read_only(&db).await;
        db.execute_unprepared(&format!("CREATE TABLE t{round} (n bigint)"))
            .await
            .unwrap();
        place.caught_up();
        let count = format!("SELECT count(*) FROM t{round}");
        assert_eq!(number(&txn, &count).await, 0);
        txn.commit().await.unwrap();
        until("a replica for transactions", async || {
            let txn = db
                .begin_with_config(None, Some(AccessMode::ReadOnly))
                .await
                .unwrap();
            txn.role() == Role::Replica
        })
        .await;
    }
}
