//! The safety net (rule I6): what a standby refuses as a write runs once on the primary, and never when that could be
//! wrong.

use sea_orm::{AccessMode, ConnectionTrait, DbErr, RuntimeErr, TransactionTrait, sqlx};
use sealane::{Intent, Reason, RoutedConnection};

use crate::{
    fixture::{number, sql},
    heard::{Heard, counter},
    place::{Place, Slot},
};

static SLOT: Slot = Slot::new(1);

const CORRECTED: &str = "sealane_corrected_misroutes_total";

/// A handle that never reads the catalog again, so that what others change stays unknown to it.
async fn connect(place: &Place) -> RoutedConnection {
    place
        .builder()
        .catalog_refresh(None)
        .replica_max_connections(1)
        .connect()
        .await
        .unwrap()
}

fn code(err: &DbErr) -> String {
    let (DbErr::Exec(RuntimeErr::SqlxError(err)) | DbErr::Query(RuntimeErr::SqlxError(err))) = err
    else {
        panic!("no answer of a server: {err}");
    };
    let sqlx::Error::Database(answer) = err.as_ref() else {
        panic!("no answer of a server: {err}");
    };
    answer.code().unwrap().into_owned()
}

fn route(role: &str, reason: &str) -> (String, String) {
    (role.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_view_that_others_made_a_write_runs_once_on_the_primary_and_is_remembered() {
    let place = SLOT.alone("net_view").await;
    place.others("CREATE SEQUENCE ticket; CREATE VIEW next AS SELECT 0::bigint AS n");
    let db = connect(&place).await;
    let text = "SELECT n FROM next";
    assert_eq!(number(&db, text).await, 0);
    place.others("CREATE OR REPLACE VIEW next AS SELECT nextval('ticket') AS n");

    let (heard, _guard) = Heard::listen();
    let before = place.standby(0).refused_writes();
    assert_eq!(number(&db, text).await, 1);
    assert_eq!(
        heard.routes(),
        [route("replica", "replica"), route("primary", "corrected")]
    );
    assert_eq!(place.standby(0).refused_writes(), before + 1);
    assert_eq!(counter(&db, CORRECTED).await, 1);
    assert_eq!(
        place.on(place.primary(), "SELECT last_value FROM ticket"),
        "1",
        "it ran once"
    );

    // The verdict is corrected, so the next goes straight there.
    for n in 2..5 {
        assert_eq!(number(&db, text).await, n);
    }
    for (role, _) in heard.routes() {
        assert_eq!(role, "primary");
    }
    assert_eq!(place.standby(0).refused_writes(), before + 1);
    assert_eq!(counter(&db, CORRECTED).await, 1);
    assert_ne!(db.explain(text).intent, Intent::Read);
}

#[tokio::test]
async fn a_table_that_others_made_unlogged_is_read_on_the_primary() {
    let place = SLOT.alone("net_unlogged").await;
    place.others("CREATE TABLE counted (n bigint); INSERT INTO counted VALUES (17)");
    let db = connect(&place).await;
    let text = "SELECT n FROM counted";
    assert_eq!(number(&db, text).await, 17);
    place.others("ALTER TABLE counted SET UNLOGGED");
    let (heard, _guard) = Heard::listen();
    assert_eq!(number(&db, text).await, 17);
    assert_eq!(number(&db, text).await, 17);
    let reasons: Vec<String> = heard
        .decisions()
        .into_iter()
        .map(|one| one.reason)
        .collect();
    assert_eq!(reasons[..2], ["replica", "corrected"]);
    assert_ne!(
        reasons[2], "replica",
        "0A000 is believed once the primary took it"
    );
    assert_eq!(counter(&db, CORRECTED).await, 1);
}

#[tokio::test]
async fn a_stream_is_corrected_before_its_first_row() {
    use futures_util::TryStreamExt;
    use sea_orm::StreamTrait;

    let place = SLOT.alone("net_stream").await;
    place.others("CREATE SEQUENCE ticket; CREATE VIEW next AS SELECT 0::bigint AS n");
    let db = connect(&place).await;
    let text = "SELECT n FROM next";
    assert_eq!(number(&db, text).await, 0);
    place.others(
        "CREATE OR REPLACE VIEW next AS SELECT nextval('ticket') AS n FROM generate_series(1, 3)",
    );
    let rows = db.stream_raw(sql(&db, text)).await.unwrap();
    let rows: Vec<sea_orm::QueryResult> = rows.try_collect().await.unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        place.on(place.primary(), "SELECT last_value FROM ticket"),
        "3"
    );
}

#[tokio::test]
async fn a_text_with_a_function_of_the_users_is_never_run_again() {
    let place = SLOT.alone("net_function").await;
    place.others(
        "CREATE TABLE noted (n int);
         CREATE FUNCTION vouched() RETURNS int VOLATILE LANGUAGE sql AS 'INSERT INTO noted VALUES (1) RETURNING n'",
    );
    let db = place
        .builder()
        .read_functions(["vouched"])
        .connect()
        .await
        .unwrap();
    let (heard, _guard) = Heard::listen();
    for _ in 0..2 {
        let err = db
            .query_one_raw(sql(&db, "SELECT vouched()"))
            .await
            .unwrap_err();
        assert_eq!(code(&err), "25006", "the server's answer, unchanged");
    }
    assert_eq!(
        heard.routes(),
        [route("replica", "replica"), route("replica", "replica")]
    );
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM noted"), "0");
    assert_eq!(counter(&db, CORRECTED).await, 0);
}

#[tokio::test]
async fn nothing_moves_out_of_a_transaction() {
    let place = SLOT.alone("net_transaction").await;
    place.others("CREATE SEQUENCE ticket; CREATE VIEW next AS SELECT 0::bigint AS n");
    let db = connect(&place).await;
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), sealane::Role::Replica);
    place.others("CREATE OR REPLACE VIEW next AS SELECT nextval('ticket') AS n");
    let (heard, _guard) = Heard::listen();
    let err = txn
        .query_one_raw(sql(&db, "SELECT n FROM next"))
        .await
        .unwrap_err();
    assert_eq!(code(&err), "25006");
    txn.rollback().await.unwrap();
    assert_eq!(heard.routes(), []);
    assert_eq!(
        place.on(place.primary(), "SELECT is_called FROM ticket"),
        "f"
    );
    assert_eq!(counter(&db, CORRECTED).await, 0);
    assert_eq!(
        db.explain("SELECT n FROM next").intent,
        Intent::Read,
        "and nothing is concluded"
    );
}

#[tokio::test]
async fn what_only_looks_like_a_refusal_is_the_callers() {
    let place = SLOT.alone("net_lookalikes").await;
    place.others(
        "CREATE TABLE plain (n bigint); INSERT INTO plain VALUES (1);
         CREATE MATERIALIZED VIEW empty AS SELECT 1 AS n WITH NO DATA",
    );
    let db = connect(&place).await;
    // On one connection, so that the statement is prepared where it is run again.
    let text = "SELECT * FROM plain";
    db.query_all_raw(sql(&db, text)).await.unwrap();
    place.others("ALTER TABLE plain ALTER n TYPE text");
    let (heard, _guard) = Heard::listen();
    db.query_all_raw(sql(&db, text)).await.unwrap();
    let err = db
        .query_all_raw(sql(&db, "SELECT * FROM empty"))
        .await
        .unwrap_err();
    assert_eq!(code(&err), "55000", "{err}");
    for one in heard.decisions() {
        assert_eq!(
            (&*one.role, &*one.reason),
            ("replica", "replica"),
            "{one:?}"
        );
    }
    assert_eq!(counter(&db, CORRECTED).await, 0);
    assert_eq!(db.explain(text).reason, Reason::Replica);
}

#[tokio::test]
async fn a_correction_pins_as_a_write_does() {
    let place = SLOT.alone("net_pin").await;
    place.others("CREATE SEQUENCE ticket; CREATE VIEW next AS SELECT 0::bigint AS n");
    let db = place
        .builder()
        .catalog_refresh(None)
        .consistency(sealane::Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap();
    assert_eq!(number(&db, "SELECT n FROM next").await, 0);
    assert_eq!(db.explain("SELECT 1").reason, Reason::Replica);
    place.others("CREATE OR REPLACE VIEW next AS SELECT nextval('ticket') AS n");
    let _frozen = place.freeze_replay();
    assert_eq!(number(&db, "SELECT n FROM next").await, 1);
    assert_eq!(db.explain("SELECT 1").reason, Reason::NotCaughtUp);
}
