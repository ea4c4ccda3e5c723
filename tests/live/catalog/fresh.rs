//! How soon a change of the schema is known.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::{Intent, Role};

use super::{SLOT, is_read, needs_primary};
use crate::{
    fixture::{number, sql},
    heard::Heard,
    place::until,
};

#[tokio::test]
async fn own_ddl_is_known_to_the_next_statement() {
    let place = SLOT.shared("catalog_own_ddl").await;
    place.others(
        "CREATE SEQUENCE ticket; CREATE TABLE plain (n bigint); INSERT INTO plain VALUES (0);
         CREATE VIEW shown AS SELECT n FROM plain",
    );
    let db = place.builder().connect().await.unwrap();
    is_read(&db, "SELECT n FROM shown").await;

    let (heard, _guard) = Heard::listen();
    db.execute_unprepared("CREATE OR REPLACE VIEW shown AS SELECT nextval('ticket') AS n")
        .await
        .unwrap();
    place.caught_up();
    assert_eq!(number(&db, "SELECT n FROM shown").await, 1);
    assert!(heard.decisions().iter().all(|one| one.role == "primary"));

    // In a transaction it counts from its end, whichever way SeaORM was asked.
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("CREATE VIEW other AS SELECT nextval('ticket') AS n")
        .await
        .unwrap();
    txn.commit().await.unwrap();
    place.caught_up();
    assert_eq!(number(&db, "SELECT n FROM other").await, 2);

    // And behind the concrete connection, which nobody watches.
    db.concrete()
        .execute_unprepared("CREATE OR REPLACE VIEW other AS SELECT n FROM plain")
        .await
        .unwrap();
    place.caught_up();
    until("the new catalog", async || {
        db.explain("SELECT n FROM other").intent == Intent::Read
    })
    .await;
    is_read(&db, "SELECT n FROM other").await;
    // Other tests have a sequence refused on that server; with the refusal stands the statement.
    assert_eq!(
        place.standby(0).log().matches("FROM other").count(),
        0,
        "it was never sent there"
    );
}

#[tokio::test]
async fn a_strict_handle_waits_for_the_catalog_after_own_ddl() {
    let place = SLOT.shared("catalog_strict").await;
    let db = place.builder().connect().await.unwrap();
    for round in 0..5 {
        let table = format!("t{round}");
        db.execute_unprepared(&format!("CREATE TABLE {table} (n bigint)"))
            .await
            .unwrap();
        place.caught_up();
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(number(&db.replica(), &count).await, 0);
    }
}

#[tokio::test]
async fn ddl_of_others_is_known_after_the_refresh() {
    let place = SLOT.shared("catalog_others_ddl").await;
    place.others(
        "CREATE SEQUENCE ticket; CREATE TABLE plain (n bigint); INSERT INTO plain VALUES (0);
         CREATE VIEW shown AS SELECT n FROM plain;
         CREATE FUNCTION picked() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT n FROM plain'",
    );
    let db = place
        .builder()
        .catalog_refresh(Duration::from_secs(1))
        .connect()
        .await
        .unwrap();
    is_read(&db, "SELECT n FROM shown").await;
    is_read(&db, "SELECT picked()").await;
    needs_primary(&db, "SELECT added()").await;

    place.others(
        "CREATE OR REPLACE VIEW shown AS SELECT nextval('ticket') AS n;
         CREATE OR REPLACE FUNCTION picked() RETURNS bigint STABLE LANGUAGE sql AS $$SELECT nextval('ticket')$$;
         CREATE FUNCTION added() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
    );
    until("the refresh", async || {
        db.explain("SELECT n FROM shown").role == Some(Role::Primary)
    })
    .await;
    needs_primary(&db, "SELECT n FROM shown").await;
    needs_primary(&db, "SELECT picked()").await;
    is_read(&db, "SELECT added()").await;
    assert_eq!(number(&db, "SELECT n FROM shown").await, 1);
    assert_eq!(number(&db, "SELECT picked()").await, 2);
}

#[tokio::test]
async fn until_the_refresh_the_safety_net_holds() {
    let place = SLOT.alone("catalog_net").await;
    place.others(
        "CREATE SEQUENCE ticket; CREATE TABLE plain (n bigint); INSERT INTO plain VALUES (0);
         CREATE VIEW shown AS SELECT n FROM plain",
    );
    let db = place
        .builder()
        .catalog_refresh(None)
        .connect()
        .await
        .unwrap();
    is_read(&db, "SELECT n FROM shown").await;
    place.others("CREATE OR REPLACE VIEW shown AS SELECT nextval('ticket') AS n");
    assert_eq!(
        db.explain("SELECT n FROM shown").intent,
        Intent::Read,
        "not known yet"
    );
    let (heard, _guard) = Heard::listen();
    let row = db
        .query_one_raw(sql(&db, "SELECT n FROM shown"))
        .await
        .unwrap();
    assert_eq!(row.unwrap().try_get_by_index::<i64>(0).unwrap(), 1);
    let reasons: Vec<String> = heard
        .decisions()
        .into_iter()
        .map(|one| one.reason)
        .collect();
    assert_eq!(reasons, ["replica", "corrected"]);
}
