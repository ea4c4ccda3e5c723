//! The read-only default on every replica connection (rule I7), and which nodes are let in at the start (rule T14).

mod start;

use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DbErr, RuntimeErr, TransactionTrait, sqlx,
};
use sealane::{Role, RoutedConnection, RoutedTransaction};

use crate::{
    fixture::sql,
    heard::Heard,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

/// A transaction on the replica: the way to its connection, whatever the statement.
async fn on_replica(db: &RoutedConnection) -> RoutedTransaction {
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    txn
}

async fn setting(db: &impl ConnectionTrait, name: &str) -> String {
    let stmt = sea_orm::Statement::from_string(
        db.get_database_backend(),
        format!("SELECT current_setting('{name}')"),
    );
    let row = db.query_one_raw(stmt).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// The server's code and message.
fn answer(err: &DbErr) -> (String, String) {
    let (DbErr::Exec(RuntimeErr::SqlxError(err)) | DbErr::Query(RuntimeErr::SqlxError(err))) = err
    else {
        panic!("no answer of a server: {err}");
    };
    let sqlx::Error::Database(answer) = err.as_ref() else {
        panic!("no answer of a server: {err}");
    };
    let code = answer.code().unwrap().into_owned();
    (code, answer.message().to_owned())
}

/// A function that writes and for which the user vouched: the one way to send a write to a replica's connection.
fn create_sneak(place: &Place) {
    place.others(
        "CREATE TABLE noted (n int);
         CREATE FUNCTION sneak() RETURNS int VOLATILE LANGUAGE sql AS 'INSERT INTO noted VALUES (1) RETURNING n'",
    );
}

async fn sneak(db: &RoutedConnection) -> (String, String) {
    let strict = db.replica();
    let err = strict.query_one_raw(sql(db, "SELECT sneak()")).await;
    answer(&err.unwrap_err())
}

#[tokio::test]
async fn the_read_only_default_is_on_replicas_only_and_beside_the_callers_own_options() {
    let place = SLOT.shared("fence_options").await;
    let with_options = |url: String| {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}options=-c%20statement_timeout=1234")
    };
    let by_url = RoutedConnection::builder()
        .primary(with_options(place.primary_url()))
        .replicas(place.replica_urls().into_iter().map(with_options));
    let mut template = ConnectOptions::new(place.primary_url());
    template.map_sqlx_postgres_opts(|options| options.options([("statement_timeout", "1234")]));
    let by_closure = RoutedConnection::builder()
        .connect_options(template)
        .replicas(place.replica_urls());
    for (way, builder) in [("url", by_url), ("closure", by_closure)] {
        let db = builder
            .consistency(sealane::Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let txn = on_replica(&db).await;
        assert_eq!(
            setting(&txn, "default_transaction_read_only").await,
            "on",
            "{way}"
        );
        assert_eq!(setting(&txn, "statement_timeout").await, "1234ms", "{way}");
        txn.rollback().await.unwrap();
        let txn = db.begin().await.unwrap();
        assert_eq!(
            setting(&txn, "default_transaction_read_only").await,
            "off",
            "{way}"
        );
        assert_eq!(setting(&txn, "statement_timeout").await, "1234ms", "{way}");
        txn.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_that_is_said_in_a_transaction_lifts_the_read_only_default() {
    let place = SLOT.shared("fence_reset").await;
    let db = place
        .builder()
        .replica_max_connections(1)
        .connect()
        .await
        .unwrap();
    for given in [
        "RESET ALL",
        "RESET default_transaction_read_only",
        "SET default_transaction_read_only = off",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SELECT 1; SET default_transaction_read_only = off",
    ] {
        let txn = on_replica(&db).await;
        // Past the router, which would refuse to send it.
        txn.concrete().execute_unprepared(given).await.unwrap();
        let nested = txn.begin().await.unwrap();
        let err = nested
            .concrete()
            .execute_unprepared("CREATE TABLE never (n int)")
            .await
            .unwrap_err();
        assert_eq!(answer(&err).0, "25006", "{given}");
        nested.rollback().await.unwrap();
        txn.commit().await.unwrap();
        let txn = on_replica(&db).await;
        assert_eq!(
            setting(&txn, "default_transaction_read_only").await,
            "on",
            "{given}"
        );
        txn.commit().await.unwrap();
    }

    let txn = on_replica(&db).await;
    txn.concrete()
        .execute_unprepared("SET default_transaction_read_only = off")
        .await
        .unwrap();
    txn.commit().await.unwrap();
    let txn = on_replica(&db).await;
    assert_eq!(
        setting(&txn, "default_transaction_read_only").await,
        "on",
        "behind our back"
    );
    txn.commit().await.unwrap();
}

/// A pooler's habit, as an `after_release` of the caller's: every connection is reset when it comes back.
fn resetting(place: &Place, reset: &'static str) -> ConnectOptions {
    let mut options = ConnectOptions::new(place.primary_url());
    options
        // DISCARD ALL forgets prepared statements, so none are kept.
        .map_sqlx_postgres_opts(|options| options.statement_cache_capacity(0))
        .map_sqlx_postgres_pool_opts(move |options| {
            options.after_release(move |conn, _| {
                Box::pin(async move {
                    sqlx::raw_sql(reset).execute(conn).await?;
                    Ok(true)
                })
            })
        });
    options
}

/// A cluster of its own: the standby does not stay one.
/// Whether all was sent to a replica that has become a primary; a check that comes in between keeps it out.
async fn refuses_after_its_promotion(reset: &'static str) -> bool {
    static OWN: Slot = Slot::new(1);
    let place = OWN.alone("fence_promoted").await;
    create_sneak(&place);
    let db = RoutedConnection::builder()
        .connect_options(resetting(&place, reset))
        .replicas(place.replica_urls())
        .replica_max_connections(1)
        .read_functions(["sneak"])
        .consistency(sealane::Consistency::Eventual)
        // Behind our back: a check would see the promotion, and then nothing is sent there at all.
        .check_interval(std::time::Duration::from_secs(60))
        .max_lag(std::time::Duration::from_secs(600))
        .connect()
        .await
        .unwrap();
    let (code, message) = sneak(&db).await;
    assert_eq!(code, "25006", "{message}");
    let standby = place.standby(0);
    standby.promote().unwrap();
    until("the standby to take writes", async || {
        standby.is_primary().unwrap()
    })
    .await;
    let strict = db.replica();
    let mut sent = true;
    for _ in 0..3 {
        let err = strict.query_one_raw(sql(&db, "SELECT sneak()")).await;
        let err = err.unwrap_err();
        if err.to_string().contains("is fenced") {
            sent = false;
            continue;
        }
        let (code, message) = answer(&err);
        assert_eq!(code, "25006", "{reset}: {message}");
        let why = "in a read-only transaction";
        assert!(message.contains(why), "{reset}: {message}");
    }
    let noted = place.on(standby, "SELECT count(*) FROM noted");
    assert_eq!(noted, "0", "{reset}");
    sent
}

#[tokio::test]
async fn a_replica_that_was_promoted_behind_our_back_still_refuses_writes() {
    for reset in ["SELECT 1", "RESET ALL", "DISCARD ALL"] {
        until("all to be sent to it", async || {
            refuses_after_its_promotion(reset).await
        })
        .await;
    }
}

/// So that the tests above test the read-only default and not the server.
#[tokio::test]
async fn without_the_read_only_default_a_promoted_replica_would_take_the_write() {
    static OWN: Slot = Slot::new(1);
    let place = OWN.alone("fence_off").await;
    create_sneak(&place);
    let (heard, _listening) = Heard::listen();
    let db = place
        .builder()
        .fence(false)
        .read_functions(["sneak"])
        .connect()
        .await
        .unwrap();
    let warned = heard.warnings().into_iter();
    let warned = warned.filter(|line| line.contains("fence: is false"));
    assert_eq!(warned.count(), 1, "{:#?}", heard.warnings());
    assert_eq!(sneak(&db).await.0, "25006", "the standby itself");
    let standby = place.standby(0);
    standby.promote().unwrap();
    let strict = db.replica();
    strict
        .query_one_raw(sql(&db, "SELECT sneak()"))
        .await
        .unwrap();
    assert_eq!(place.on(standby, "SELECT count(*) FROM noted"), "1");
}
