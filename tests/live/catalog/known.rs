//! What is known stays known: which statements take knowledge away, and what brings it back (rule I5).

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, TransactionTrait,
    sqlx::{Connection, Executor, PgConnection},
};
use sealane::{Intent, Reason};

use super::SLOT;
use crate::{
    fixture::{number, sql},
    place::until,
};

const PLAIN: &str = "SELECT count(*) FROM plain";

/// A read that is too long to be judged.
fn long() -> String {
    let number = format!("17{}", " ".repeat(60));
    let numbers = vec![number.as_str(); 20_000].join(",");
    format!("SELECT count(*) FROM plain WHERE n IN ({numbers})")
}

#[tokio::test]
async fn a_text_that_is_not_read_keeps_no_other_read_from_the_replicas() {
    let place = SLOT.shared("known_long").await;
    place.others("CREATE TABLE plain (n bigint)");
    let db = place
        .builder()
        .catalog_refresh(None)
        .connect()
        .await
        .unwrap();
    let vast = long();
    assert_eq!(db.explain(&vast).reason, Reason::TooLong);
    let misjudged = "SELECT count(*) FROM plain WHERE n FROM 17";
    assert_eq!(db.explain(misjudged).reason, Reason::Unparsed);
    for _ in 0..20 {
        number(&db, &vast).await;
        assert_eq!(db.explain(PLAIN).reason, Reason::Replica);
        let _ = db.query_one_raw(sql(&db, misjudged)).await;
        assert_eq!(db.explain(PLAIN).reason, Reason::Replica);
    }
    // It made no reading, so what others do meanwhile is not known by chance.
    place.others("CREATE TABLE made (n bigint)");
    assert_ne!(db.explain("SELECT count(*) FROM made").intent, Intent::Read);
}

#[tokio::test]
async fn own_ddl_keeps_no_read_of_other_tables_from_the_replicas() {
    let place = SLOT.shared("known_ddl").await;
    place.others("CREATE TABLE plain (n bigint); CREATE TABLE odd (n bigint)");
    let db = place.builder().connect().await.unwrap();
    for round in 0..20 {
        for ddl in [
            format!("CREATE TABLE t{round} (n bigint)"),
            format!("CREATE INDEX ON odd ((n + {round}))"),
            "CREATE TEMP TABLE mine (n bigint) ON COMMIT DROP".to_owned(),
        ] {
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared(&ddl).await.unwrap();
            txn.commit().await.unwrap();
            assert_eq!(db.explain(PLAIN).reason, Reason::Replica, "{ddl}");
        }
    }
    // What it names is known again only when it has been read.
    db.execute_unprepared("ALTER TABLE plain RENAME TO odder; CREATE VIEW plain AS SELECT pg_try_advisory_lock(7) AS n")
        .await
        .unwrap();
    assert_ne!(db.explain(PLAIN).intent, Intent::Read);
    until("the new catalog", async || {
        db.explain("SELECT count(*) FROM odder").reason == Reason::Replica
    })
    .await;
    assert_ne!(db.explain(PLAIN).intent, Intent::Read);
}

/// Another process makes a table: its name asks for a reading.
#[tokio::test]
async fn a_name_that_the_catalog_lacks_asks_for_a_reading() {
    let place = SLOT.shared("known_names").await;
    place.others("CREATE TABLE plain (n bigint)");
    let db = place
        .builder()
        .catalog_refresh(None)
        .connect()
        .await
        .unwrap();
    for (made, text) in [
        ("CREATE TABLE made (n bigint)", "SELECT count(*) FROM made"),
        (
            "CREATE FUNCTION one() RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT 1::bigint'",
            "SELECT one()",
        ),
        (
            "CREATE TYPE mood AS ENUM ('sad', 'glad')",
            "SELECT count('sad'::mood)",
        ),
    ] {
        place.others(made);
        assert_ne!(db.explain(text).intent, Intent::Read, "{text}");
        until("the reading that it asked for", async || {
            number(&db, text).await;
            db.explain(text).reason == Reason::Replica
        })
        .await;
    }
    // What refuses where it does not know waits for it.
    let db = place
        .builder()
        .catalog_refresh(None)
        .connect()
        .await
        .unwrap();
    place.others("CREATE TABLE later (n bigint)");
    assert_eq!(number(&db.replica(), "SELECT count(*) FROM later").await, 0);
}

#[tokio::test]
async fn readings_are_in_no_statements_way() {
    let place = SLOT.shared("known_pool").await;
    place.others("CREATE TABLE plain (n bigint)");
    let db = place
        .builder()
        .catalog_refresh(None)
        .max_connections(1)
        .route_timeout(Duration::from_secs(10))
        .connect()
        .await
        .unwrap();
    let holder = db.begin().await.unwrap();
    number(&holder, PLAIN).await;
    place.others("CREATE TABLE made (n bigint)");
    // The primary's only connection is out.
    let text = "SELECT count(*) FROM made";
    assert_eq!(number(&db.replica(), text).await, 0);
    assert_eq!(db.explain(text).reason, Reason::Replica);
    holder.rollback().await.unwrap();
}

/// Somebody may hold a table of the catalog for hours: a start without the catalog does without.
#[tokio::test]
async fn a_catalog_that_cannot_be_read_holds_up_no_start() {
    let place = SLOT.shared("known_held").await;
    let mut holder = PgConnection::connect(&place.primary_url()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    held.execute("LOCK TABLE pg_catalog.pg_foreign_server IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let builder = place.builder().acquire_timeout(Duration::from_millis(300));
    let started = tokio::time::timeout(Duration::from_secs(20), builder.connect());
    let db = started.await.expect("it waits for the lock").unwrap();
    assert_eq!(number(&db, "SELECT 1::int8").await, 1);
    held.rollback().await.unwrap();
}
