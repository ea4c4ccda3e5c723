//! The rows of the corpus that a text alone cannot decide, on a live server.

use sea_orm::ConnectionTrait;
use serde_json::Value;

use super::{SLOT, is_read, needs_primary};
use crate::{
    fixture::{number, sql},
    heard::Heard,
    place::Place,
};

const CORPUS: &str = include_str!("../../pure/intent/corpus.jsonl");

/// Every PostgreSQL row that says it needs the catalog.
fn rows() -> Vec<(String, String)> {
    let rows = CORPUS.lines().filter(|line| !line.trim().is_empty());
    rows.map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|row| row["backend"] == "postgres" && row["needs"] == "catalog")
        .map(|row| {
            assert_eq!(row["expect"], "primary", "{row}");
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("id"), text("sql"))
        })
        .collect()
}

/// The objects that the rows name, and one harmless relation beside them.
fn create(place: &Place) {
    let own = place.primary_url();
    place.others(&format!(
        "CREATE UNLOGGED TABLE metrics_unlogged (n int); INSERT INTO metrics_unlogged VALUES (17);
         CREATE SEQUENCE ticket;
         CREATE VIEW v_next_ticket AS SELECT nextval('ticket') AS n;
         CREATE TABLE checks (what int);
         CREATE FUNCTION checked(what int) RETURNS boolean VOLATILE LANGUAGE sql \
           AS 'INSERT INTO checks VALUES (what) RETURNING true';
         CREATE DOMAIN checked_int AS int CHECK (checked(VALUE));
         CREATE TABLE pushed (n int);
         CREATE EXTENSION dblink;
         CREATE VIEW v_remote_push AS SELECT dblink_exec('{own}', 'INSERT INTO pushed VALUES (1)') AS said;
         CREATE VIEW v_harmless AS SELECT what FROM checks"
    ));
}

#[tokio::test]
async fn the_rows_that_need_a_catalog_need_the_primary_and_work_there() {
    let place = SLOT.alone("catalog_corpus").await;
    create(&place);
    // One connection, so that a temporary table is where the statement is.
    let db = place.builder().max_connections(1).connect().await.unwrap();
    is_read(&db, "SELECT what FROM v_harmless").await;
    db.execute_unprepared("CREATE TEMPORARY TABLE scratch AS SELECT 16 AS n")
        .await
        .unwrap();

    let ids: Vec<String> = rows().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["P016", "P017", "P020", "P022", "P149"]);
    let (heard, _guard) = Heard::listen();
    for (id, text) in rows() {
        needs_primary(&db, &text).await;
        heard.decisions();
        db.query_all_raw(sql(&db, &text)).await.unwrap();
        for one in heard.decisions() {
            assert_eq!(one.role, "primary", "{id}: {one:?}");
        }
    }
    let seen = |what: &str| place.on(place.primary(), what);
    assert_eq!(number(&db, "SELECT n::bigint FROM scratch").await, 16);
    assert_eq!(
        number(&db, "SELECT n::bigint FROM metrics_unlogged").await,
        17
    );
    assert_eq!(
        seen("SELECT last_value, is_called FROM ticket"),
        "1|t",
        "called once"
    );
    assert_eq!(seen("SELECT what FROM checks"), "3");
    assert_eq!(seen("SELECT count(*) FROM pushed"), "1", "pushed once");
    assert_eq!(place.standby(0).refused_writes(), 0);
}
