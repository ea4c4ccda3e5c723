//! Read-your-writes by time, where no position can be had (rule C14): with replay stopped, every read that a standby
//! serves is stale.

mod transactions;

use std::time::{Duration, Instant};

use sea_orm::{AccessMode, ConnectionTrait, TransactionTrait};
use sealane::{Consistency, Reason, RoutedConnection};

use crate::{
    fixture::number,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(2);

const COUNT: &str = "SELECT count(*) FROM t";

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

async fn connect(place: &Place, pin: Duration) -> RoutedConnection {
    let db = place.builder().consistency(Consistency::ReadYourWrites);
    let db = db.pin(pin).connect().await.unwrap();
    assert_eq!(reason(&db), Reason::Replica, "nothing was written yet");
    db
}

/// Why a read would go where it would go now.
fn reason(db: &RoutedConnection) -> Reason {
    db.explain(COUNT).reason
}

fn create(place: &Place) {
    place.hide_positions();
    place.others("CREATE TABLE t (id bigint PRIMARY KEY)");
}

#[tokio::test]
async fn reads_within_the_pin_are_never_stale() {
    let place = SLOT.alone("pin_fresh").await;
    create(&place);
    let db = connect(&place, LONG).await;
    let _frozen = place.freeze_replay();
    for n in 1..=20 {
        db.execute_unprepared(&format!("INSERT INTO t VALUES ({n})"))
            .await
            .unwrap();
        assert_eq!(number(&db, COUNT).await, n);
        assert_eq!(reason(&db), Reason::NotCaughtUp);
        // Asked for by name, a replica answers what it has.
        assert_eq!(number(&db.replica(), COUNT).await, 0);
    }
    assert_eq!(number(&db.in_zone("here"), COUNT).await, 20);
}

/// Zero is the word that no replica is ever behind, and not the absence of a pin (rule C14).
#[tokio::test]
async fn a_pin_of_zero_trusts_every_replica() {
    let place = SLOT.alone("pin_zero").await;
    create(&place);
    let db = connect(&place, Duration::ZERO).await;
    let _frozen = place.freeze_replay();
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    assert_eq!(reason(&db), Reason::Replica);
    assert_eq!(number(&db, COUNT).await, 0, "as far as the replica is");
}

#[tokio::test]
async fn the_pin_ends_by_itself_and_never_early() {
    let place = SLOT.alone("pin_end").await;
    create(&place);
    let pin = Duration::from_millis(300);
    let db = connect(&place, pin).await;
    let before = Instant::now();
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    until("the end of the pin", async || {
        reason(&db) == Reason::Replica
    })
    .await;
    assert!(before.elapsed() >= pin);
    place.caught_up();
    assert_eq!(number(&db, COUNT).await, 1);
}

#[tokio::test]
async fn whatever_may_have_written_pins() {
    let place = SLOT.alone("pin_kinds").await;
    create(&place);
    place.others("INSERT INTO t VALUES (0)");
    let db = async || {
        // The pin belongs to the cluster in this process; with the last handle it is forgotten.
        connect(&place, LONG).await
    };

    let failed = db().await;
    failed
        .execute_unprepared("INSERT INTO t VALUES (0)")
        .await
        .unwrap_err();
    assert_eq!(reason(&failed), Reason::NotCaughtUp, "a failed write");
    drop(failed);

    let returning = db().await;
    number(&returning, "INSERT INTO t VALUES (1) RETURNING id").await;
    assert_eq!(
        reason(&returning),
        Reason::NotCaughtUp,
        "a write that returns rows"
    );
    drop(returning);

    let committed = db().await;
    let txn = committed.begin().await.unwrap();
    number(&txn, COUNT).await;
    assert_eq!(
        reason(&committed),
        Reason::Replica,
        "nothing is visible before COMMIT"
    );
    txn.commit().await.unwrap();
    assert_eq!(reason(&committed), Reason::NotCaughtUp, "a commit");
    drop(committed);

    let read_only = db().await;
    let txn = read_only
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    number(&txn, COUNT).await;
    txn.commit().await.unwrap();
    number(&read_only, COUNT).await;
    assert_eq!(reason(&read_only), Reason::Replica, "reading pins nothing");
}

#[tokio::test]
async fn a_write_whose_future_was_dropped_pins() {
    let place = SLOT.alone("pin_dropped").await;
    create(&place);
    let db = connect(&place, LONG).await;
    let other = sea_orm::Database::connect(place.primary_url())
        .await
        .unwrap();
    let holder = other.begin().await.unwrap();
    holder.execute_unprepared("LOCK TABLE t").await.unwrap();

    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    tokio::select! {
        ended = db.execute_unprepared("INSERT INTO t VALUES (1)") => panic!("{ended:?}"),
        () = until("the write to wait", async || place.on(place.primary(), waiting) != "0") => {}
    }
    assert_eq!(reason(&db), Reason::NotCaughtUp);
    let _frozen = place.freeze_replay();
    holder.rollback().await.unwrap();
    // Nobody waited for it, but it was sent: what it stored is seen.
    until("the abandoned write", async || {
        number(&db, COUNT).await == 1
    })
    .await;
}

#[tokio::test]
async fn two_handles_to_one_primary_share_the_pin() {
    let place = SLOT.alone("pin_shared").await;
    create(&place);
    let writer = connect(&place, LONG).await;
    let reader = connect(&place, LONG).await;
    let _frozen = place.freeze_replay();
    writer
        .execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    assert_eq!(number(&reader, COUNT).await, 1);
    assert_eq!(reason(&reader.clone()), Reason::NotCaughtUp);
    drop(writer);
    assert_eq!(
        number(&reader, COUNT).await,
        1,
        "also when the writer is gone"
    );
}

/// C14: a pin that is over says nothing of a replica that is further behind, and here nobody can tell how far it is.
#[tokio::test]
async fn without_the_operators_word_what_wrote_reads_on_the_primary_for_good() {
    let place = SLOT.alone("pin_word").await;
    create(&place);
    let writer = connect(&place, Duration::from_millis(1)).await;
    let builder = place.builder().consistency(Consistency::ReadYourWrites);
    let db = builder.connect().await.unwrap();
    let early = db.begin_with_config(None, Some(AccessMode::ReadOnly));
    let early = early.await.unwrap();
    assert_eq!(early.role(), sealane::Role::Replica);
    let _frozen = place.freeze_replay();
    // Both see what the process wrote; the pin of one of them is its word, and it is over.
    writer
        .execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    until("the end of the pin", async || {
        reason(&writer) == Reason::Replica
    })
    .await;
    for handle in [&db, &db.session()] {
        assert_eq!(reason(handle), Reason::NotCaughtUp);
        assert_eq!(number(handle, COUNT).await, 1);
        let txn = handle.begin_with_config(None, Some(AccessMode::ReadOnly));
        let txn = txn.await.unwrap();
        assert_eq!(number(&txn, COUNT).await, 1);
        txn.commit().await.unwrap();
    }
    // What began before the write waits for nothing that could come.
    let err = early.query_one_raw(crate::fixture::sql(&db, COUNT)).await;
    let err = err.unwrap_err();
    let ours = sealane::Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(matches!(ours, sealane::Error::NotCaughtUp { .. }), "{err}");
    // Whoever wrote nothing reads there.
    let empty = db.empty_session();
    assert_eq!(reason(&empty), Reason::Replica);
    assert_eq!(number(&empty, COUNT).await, 0);
}
