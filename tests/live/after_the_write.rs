//! What comes after a write and fails says nothing against it (rules C12, C13, T9).

use std::time::Duration;

use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, StreamTrait};
use sealane::{Consistency, Error, Outcome, RoutedConnection};

use crate::{
    fixture::{number, sql},
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

async fn start(place: &Place) -> RoutedConnection {
    place.others("CREATE TABLE t (n bigint)");
    let db = place
        .builder()
        .consistency(Consistency::ReadYourWrites)
        .route_timeout(Duration::from_millis(300))
        .replica_acquire_timeout(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    db
}

fn says_it_is_written(err: &Error) {
    assert_eq!(err.outcome(), Outcome::Executed, "{err}");
    assert!(!err.is_retriable(), "{err}");
}

#[tokio::test]
async fn a_position_that_is_not_told_in_time_does_not_call_the_write_not_executed() {
    static OWN: Slot = Slot::new(1);
    let place = OWN.alone("after_untold").await;
    let db = start(&place).await;
    place.primary().freeze();
    let bookmark = db.bookmark().await.unwrap_err();
    let replicas = db
        .wait_for_replicas(1, Duration::from_secs(2))
        .await
        .unwrap_err();
    place.primary().thaw();
    for err in [&bookmark, &replicas] {
        assert!(matches!(err, Error::PositionUntold { .. }), "{err}");
        says_it_is_written(err);
    }
    until("the primary's answer", async || db.bookmark().await.is_ok()).await;
}

#[tokio::test]
async fn too_many_replicas_asked_for_do_not_call_the_write_not_executed() {
    let place = SLOT.shared("after_too_few").await;
    let db = start(&place).await;
    let err = db
        .wait_for_replicas(7, Duration::from_secs(2))
        .await
        .unwrap_err();
    assert!(matches!(err, Error::TooFewReplicas { .. }), "{err}");
    says_it_is_written(&err);
}

/// A bookmark where no position can be had is empty, whatever was written.
#[tokio::test]
async fn a_bookmark_of_connections_that_the_application_made_is_empty() {
    let place = SLOT.shared("after_adopted").await;
    place.others("CREATE TABLE t (n bigint)");
    let primary = sea_orm::Database::connect(place.primary_url())
        .await
        .unwrap();
    let replica = sea_orm::Database::connect(place.url(place.standby(0)))
        .await
        .unwrap();
    let db = RoutedConnection::from_connections(primary, [replica]);
    let session = db.session();
    session
        .execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    for handle in [&db, &session] {
        let bookmark = handle.bookmark().await.unwrap();
        assert_eq!(bookmark, sealane::Bookmark::default());
    }
    // Nobody can say that a replica has it.
    let err = session
        .wait_for_replicas(1, Duration::from_secs(2))
        .await
        .unwrap_err();
    assert!(matches!(err, Error::NoPosition), "{err}");
    says_it_is_written(&err);
}

#[tokio::test]
async fn a_stream_of_inserts_that_is_lost_is_not_to_be_run_again() {
    let place = SLOT.shared("after_stream").await;
    let db = start(&place).await;
    let many =
        "INSERT INTO t SELECT n FROM generate_series(1, 200000) AS n RETURNING n, repeat('x', 500)";
    let mut rows = db.stream_raw(sql(&db, many)).await.unwrap();
    rows.next().await.unwrap().unwrap();
    place.on(
        place.primary(),
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'INSERT INTO t SELECT%'",
    );
    let err = loop {
        match rows.next().await.expect("an end without an error") {
            Ok(_) => {}
            Err(err) => break err,
        }
    };
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(matches!(ours, Error::UnknownOutcome { .. }), "{err}");
    assert!(!ours.is_retriable());
    assert_eq!(number(&db.primary(), "SELECT count(*) FROM t").await, 1);
}
