//! One database as the primary and the replica of a test, in a transaction that is rolled back: what it finds, and what it
//! leaves alone.

use futures_util::TryStreamExt;
use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, IsolationLevel, Statement, StreamTrait, TransactionTrait,
};
use sealane::{
    Consistency, Error, Role, RoutedConnection,
    testing::{Finding, RolledBack, assert_routed, record},
};
use sealane_harness::Cluster;

use crate::fixture::cluster;

const TABLES: &str = "\
    CREATE TABLE note (id serial PRIMARY KEY, text text NOT NULL UNIQUE); \
    CREATE TABLE tag (name text); \
    CREATE TABLE note_log (id int); \
    CREATE VIEW seen AS SELECT text FROM note; \
    CREATE FUNCTION log_note() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN INSERT INTO note_log VALUES (NEW.id); RETURN NEW; END'; \
    CREATE TRIGGER logs AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION log_note(); \
    CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'";

/// A database with the tables, as migrations leave it.
struct Migrated(Cluster);

fn database() -> Migrated {
    let migrated = Migrated(cluster(0));
    migrated.sql(TABLES);
    migrated
}

impl Migrated {
    fn url(&self) -> String {
        self.0.primary().url()
    }

    fn sql(&self, sql: &str) -> String {
        self.0.primary().sql(sql).unwrap()
    }
}

fn select(sql: &str) -> Statement {
    Statement::from_string(sea_orm::DbBackend::Postgres, sql)
}

async fn rows(db: &impl ConnectionTrait, sql: &str) -> Result<usize, DbErr> {
    Ok(db.query_all_raw(select(sql)).await?.len())
}

async fn add(db: &impl ConnectionTrait, text: &str) -> Result<(), DbErr> {
    let insert = "INSERT INTO note (text) VALUES ($1)";
    let insert =
        Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, insert, [text.into()]);
    db.execute_raw(insert).await.map(drop)
}

fn eventual(db: &RoutedConnection) -> RoutedConnection {
    db.with_consistency(Consistency::Eventual)
}

#[tokio::test]
async fn reads_are_routed_as_on_servers_and_nothing_stays() {
    let node = database();
    let test = RolledBack::begin(&node.url()).await.unwrap();
    let db = test.connection();
    assert_routed!(db, replica, { rows(&db, "SELECT text FROM note").await }).unwrap();
    add(&db, "milk").await.unwrap();
    let seen = assert_routed!(db, primary, { rows(&db, "SELECT text FROM note").await }).unwrap();
    assert_eq!(seen, 1);
    test.replicate().await.unwrap();
    let seen = assert_routed!(db, replica, { rows(&db, "SELECT text FROM note").await }).unwrap();
    assert_eq!(seen, 1);
    assert_eq!(test.end().await, []);
    assert_eq!(node.sql("SELECT count(*) FROM note"), "0");
}

#[tokio::test]
async fn a_stale_read_is_an_error_that_names_statement_and_relation_without_values() {
    let node = database();
    let test = RolledBack::begin(&node.url()).await.unwrap();
    let db = test.connection();
    add(&db, "pepper").await.unwrap();
    let stale = eventual(&db);
    // Another relation is as fresh as ever.
    rows(&stale, "SELECT name FROM tag").await.unwrap();
    let err = rows(&stale, "SELECT text FROM note WHERE text = 'pepper'");
    let said = err.await.unwrap_err().to_string();
    assert!(said.contains("stale read"), "{said}");
    assert!(
        said.contains("SELECT text FROM note WHERE text = ?"),
        "{said}"
    );
    assert!(said.contains("written to public.note before"), "{said}");
    assert!(!said.contains("pepper"), "{said}");
    // Through a view, by a trigger, in a stream, by the session of another request.
    rows(&stale, "SELECT text FROM seen").await.unwrap_err();
    rows(&db.replica(), "SELECT id FROM note_log")
        .await
        .unwrap_err();
    let stream = StreamTrait::stream_raw(&stale, select("SELECT text FROM note")).await;
    let streamed = match stream {
        Ok(stream) => stream.try_collect::<Vec<_>>().await.map(drop),
        Err(err) => Err(err),
    };
    streamed.unwrap_err();
    rows(&db.empty_session(), "SELECT text FROM note")
        .await
        .unwrap_err();
    let found = test.findings();
    assert_eq!(found.len(), 5, "{found:#?}");
    test.replicate().await.unwrap();
    rows(&stale, "SELECT text FROM note").await.unwrap();
    assert_eq!(test.end().await, found);
}

#[tokio::test]
async fn a_misrouted_write_fails_at_once_and_is_not_sent_to_the_primary() {
    let node = database();
    // Somebody's word that this function reads.
    node.sql("CREATE FUNCTION tags() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END'");
    let test = RolledBack::begin(&node.url()).await.unwrap();
    let db = test.connection();
    assert_routed!(db, replica, { rows(&db, "SELECT tags()").await }).unwrap();
    // On the way of a read-only transaction that is handed to what writes.
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    let refused = add(&txn, "milk").await.unwrap_err();
    let refused = Error::from_db_err(&refused).unwrap();
    assert!(matches!(refused, Error::OnlyReads { .. }), "{refused}");
    add(txn.concrete(), "milk").await.unwrap_err();
    txn.rollback().await.unwrap();
    // The server goes on.
    add(&db, "milk").await.unwrap();
    assert_eq!(test.end().await, []);
}

#[tokio::test]
async fn what_a_declared_function_writes_on_the_replica_is_found() {
    let node = database();
    let test = RolledBack::begin(&node.url()).await.unwrap();
    let db = test.connection();
    // The catalog was read: what the function does now nobody knows.
    let lies = "CREATE OR REPLACE FUNCTION sneaky() RETURNS int LANGUAGE sql VOLATILE AS \
                'INSERT INTO tag VALUES (''x''); SELECT 1'";
    node.sql(lies);
    let err = rows(&db, "SELECT sneaky()").await.unwrap_err().to_string();
    assert!(err.contains("misrouted write"), "{err}");
    let found = test.end().await;
    assert!(
        matches!(&found[..], [Finding::MisroutedWrite { statement }] if statement == "SELECT sneaky()"),
        "{found:?}"
    );
}

#[tokio::test]
async fn transactions_nest_fail_and_go_on() {
    let node = database();
    let test = RolledBack::begin(&node.url()).await.unwrap();
    let db = test.connection();
    // A failed statement leaves the others as they were.
    add(&db, "milk").await.unwrap();
    add(&db, "milk").await.unwrap_err();
    let txn = db
        .begin_with_config(Some(IsolationLevel::Serializable), None)
        .await
        .unwrap();
    add(&txn, "bread").await.unwrap();
    let nested = txn.begin().await.unwrap();
    add(&nested, "salt").await.unwrap();
    nested.rollback().await.unwrap();
    txn.commit().await.unwrap();
    let dropped = db.begin().await.unwrap();
    add(&dropped, "gone").await.unwrap();
    drop(dropped);
    assert_eq!(rows(&db, "SELECT text FROM note").await.unwrap(), 2);

    let txn = eventual(&db)
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    rows(&txn, "SELECT name FROM tag").await.unwrap();
    let err = rows(&txn, "SELECT text FROM note").await.unwrap_err();
    assert!(err.to_string().contains("stale read"), "{err}");
    txn.rollback().await.unwrap();
    assert_eq!(test.end().await.len(), 1);
    assert_eq!(node.sql("SELECT count(*) FROM note"), "0");
}

#[tokio::test]
async fn a_statement_beside_an_open_transaction_says_why_it_waits_in_vain() {
    let node = database();
    let test = RolledBack::begin(&node.url()).await.unwrap();
    let db = test.connection();
    let txn = db.begin().await.unwrap();
    let err = rows(&db, "SELECT text FROM note").await.unwrap_err();
    assert!(
        err.to_string().contains("one connection of this test"),
        "{err}"
    );
    txn.rollback().await.unwrap();
    rows(&db, "SELECT text FROM note").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_beside_each_other_and_one_that_panics_leave_nothing() {
    let node = database();
    let one = |text: &'static str, panics: bool| {
        let url = node.url();
        tokio::spawn(async move {
            let test = RolledBack::begin(&url).await.unwrap();
            let db = test.connection();
            add(&db, text).await.unwrap();
            let (seen, _) = record(&db, rows(&db, "SELECT text FROM note")).await;
            assert_eq!(seen.unwrap(), 1);
            assert!(!panics, "as it was meant");
            assert_eq!(test.end().await, []);
        })
    };
    let (first, second, third) = tokio::join!(one("a", false), one("b", false), one("c", true));
    first.unwrap();
    second.unwrap();
    third.unwrap_err();
    assert_eq!(node.sql("SELECT count(*) FROM note"), "0");
}

#[tokio::test]
async fn another_system_and_no_server_are_clear_errors() {
    let err = RolledBack::begin("sqlite::memory:").await.unwrap_err();
    assert!(
        err.to_string().contains("takes a URL of PostgreSQL"),
        "{err}"
    );
    let err = RolledBack::begin("postgres://app:pepper@127.0.0.1:1/app")
        .await
        .unwrap_err();
    assert!(!err.to_string().contains("pepper"), "{err}");
    let node = database();
    node.sql("ALTER DATABASE postgres SET track_counts = off");
    let err = RolledBack::begin(&node.url()).await.unwrap_err();
    assert!(err.to_string().contains("track_counts is off"), "{err}");
}
