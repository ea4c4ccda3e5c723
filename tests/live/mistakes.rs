//! Statements that fail by the application's fault, and single sessions that a server ends: neither says that the node
//! is gone (T9).

use std::time::Duration;

use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, IsolationLevel, Statement, TransactionTrait, Value,
};
use sealane::{ClusterEvents, Consistency, Error, RoutedConnection};
use sealane_harness::Cluster;

use crate::{
    faults::{LIMIT, Stage, eventually, within},
    fixture::{builder, number, sql},
};

static STAGE: Stage = Stage::new();

async fn connect(cluster: &Cluster) -> RoutedConnection {
    builder(cluster)
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap()
}

/// Every event so far.
async fn said(events: &mut ClusterEvents) -> Vec<String> {
    let mut said = Vec::new();
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(300), events.next()).await
    {
        said.push(format!("{event:?}"));
    }
    said
}

fn is_the_drivers(err: &DbErr) {
    assert!(
        Error::from_db_err(err).is_none(),
        "not SeaORM's own error: {err}"
    );
}

/// The server's code: the error is SeaORM's own.
fn code(err: &DbErr) -> String {
    is_the_drivers(err);
    let (DbErr::Exec(err) | DbErr::Query(err)) = err else {
        panic!("{err:?}")
    };
    let sea_orm::RuntimeErr::SqlxError(err) = err else {
        panic!("{err:?}")
    };
    let err = err.as_database_error().unwrap_or_else(|| panic!("{err:?}"));
    err.code().unwrap().into_owned()
}

fn bound(db: &RoutedConnection, text: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), text, values)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_wrong_fails_alone_and_harms_no_node() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = connect(&cluster).await;
        let mut events = db.cluster().subscribe().unwrap();
        for _ in 0..5 {
            let missing = bound(&db, "SELECT n FROM log WHERE n = $1", vec![]);
            assert_eq!(code(&db.query_all_raw(missing).await.unwrap_err()), "08P01");
            let missing = bound(&db, "INSERT INTO log VALUES ($1)", vec![]);
            assert_eq!(code(&db.execute_raw(missing).await.unwrap_err()), "08P01");
        }
        let nul = "INSERT INTO item VALUES (1000, 'a\0b')";
        assert_eq!(
            code(&db.execute_unprepared(nul).await.unwrap_err()),
            "08P01"
        );
        is_the_drivers(&db.execute_raw(sql(&db, nul)).await.unwrap_err());
        let nul = bound(
            &db,
            "INSERT INTO item VALUES (1000, $1)",
            vec!["a\0b".into()],
        );
        assert_eq!(code(&db.execute_raw(nul).await.unwrap_err()), "22021");

        let many = || vec![Value::from(1_i64); 70_000];
        for text in [
            "INSERT INTO log VALUES ($1)",
            "SELECT n FROM log WHERE n = $1",
            "CALL nothing($1)",
        ] {
            let err = db
                .query_all_raw(bound(&db, text, many()))
                .await
                .unwrap_err();
            is_the_drivers(&err);
            assert!(err.to_string().contains("too many arguments"), "{err}");
            let txn = db.begin().await.unwrap();
            let err = txn
                .query_all_raw(bound(&db, text, many()))
                .await
                .unwrap_err();
            is_the_drivers(&err);
            txn.rollback().await.unwrap();
        }
        assert_eq!(number(&db.primary(), "SELECT count(*) FROM log").await, 0);
        assert_eq!(said(&mut events).await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_code_a_trigger_raises_is_an_error_of_its_statement() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        cluster
            .primary()
            .sql(
                "CREATE OR REPLACE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION USING ERRCODE = TG_ARGV[0]; END $$",
            )
            .unwrap();
        let db = connect(&cluster).await;
        let mut events = db.cluster().subscribe().unwrap();
        for raised in [
            "08000", "08006", "08P01", "57P01", "57P02", "57P03", "57P05", "25P03", "53300",
            "40003", "28P01", "3D000", "25006", "XX000",
        ] {
            cluster
                .primary()
                .sql(&format!(
                    "CREATE OR REPLACE TRIGGER raise_it BEFORE INSERT ON log \
                     FOR EACH ROW EXECUTE FUNCTION raise_it('{raised}')"
                ))
                .unwrap();
            let insert = "INSERT INTO log VALUES (1)";
            let err = db.execute_unprepared(insert).await.unwrap_err();
            assert_eq!(code(&err), raised);
            let returning = sql(&db, "INSERT INTO log VALUES (1) RETURNING n");
            let err = db.query_one_raw(returning).await.unwrap_err();
            assert_eq!(code(&err), raised);
            let txn = db.begin().await.unwrap();
            let err = txn.execute_unprepared(insert).await.unwrap_err();
            assert_eq!(code(&err), raised);
            txn.rollback().await.unwrap();
        }
        assert_eq!(said(&mut events).await, [""; 0]);
    })
    .await;
}

/// A standby that ends one session because replay needs what its transaction has read is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_replay_has_ended_is_lost_alone() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let (primary, standby) = (cluster.primary(), cluster.standby(0));
        standby.set("max_standby_streaming_delay", "0").unwrap();
        let db = RoutedConnection::builder()
            .primary(primary.url())
            .replica(format!("{}?name=one", standby.url()))
            .consistency(Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let mut events = db.cluster().subscribe().unwrap();
        for _ in 0..3 {
            let txn = db
                .begin_with_config(
                    Some(IsolationLevel::RepeatableRead),
                    Some(AccessMode::ReadOnly),
                )
                .await
                .unwrap();
            assert_eq!(number(&txn, "SELECT count(*) FROM item").await, 100);
            primary.sql("UPDATE item SET name = name || '!'").unwrap();
            primary.sql("VACUUM item").unwrap();
            eventually("the conflict", async || {
                standby
                    .sql(
                        "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'",
                    )
                    .unwrap()
                    == "0"
            })
            .await;
            let read = sql(&db, "SELECT count(*) FROM item");
            let err = txn.query_one_raw(read.clone()).await.unwrap_err();
            assert!(
                matches!(
                    Error::from_db_err(&err),
                    Some(Error::TransactionLost { .. })
                ),
                "{err}"
            );
            let err = txn.query_one_raw(read).await.unwrap_err();
            assert!(
                matches!(
                    Error::from_db_err(&err),
                    Some(Error::TransactionLost { .. })
                ),
                "{err}"
            );
            // Nothing of it is left to undo.
            let _ = txn.rollback().await;
        }
        standby.reset("max_standby_streaming_delay").unwrap();
        assert_eq!(said(&mut events).await, [""; 0]);
    })
    .await;
}
