//! Read-your-writes by positions: while replay stands still, whatever a standby shows is stale.

pub mod bookmarks;
mod followed;
mod habits;
mod holds;
mod lineage;
mod monotonic;
mod open_writes;
mod own_statements;
mod plain_role;
mod promoted;
mod questions;
mod replicas;
mod restarts;
mod scopes;
mod transactions;
mod waits;

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Builder, Consistency, Reason, RoutedConnection};

use crate::{
    fixture::number,
    heard::Heard,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(2);

const COUNT: &str = "SELECT count(*) FROM t";

fn builder(place: &Place) -> Builder {
    place.builder().consistency(Consistency::ReadYourWrites)
}

async fn connect(place: &Place) -> RoutedConnection {
    connect_with(place, |builder| builder).await
}

async fn connect_with(place: &Place, tune: impl FnOnce(Builder) -> Builder) -> RoutedConnection {
    place.others("CREATE TABLE IF NOT EXISTS t (n bigint)");
    let db = tune(builder(place)).connect().await.unwrap();
    until("the first samples", async || reason(&db) == Reason::Replica).await;
    db
}

/// Why a read would go where it would go now.
fn reason(db: &RoutedConnection) -> Reason {
    db.explain(COUNT).reason
}

async fn insert(db: &RoutedConnection, n: i64) {
    db.execute_unprepared(&format!("INSERT INTO t VALUES ({n})"))
        .await
        .unwrap();
}

/// Reads until a replica serves it; every answer on the way has to be this.
async fn until_on_a_replica(db: &RoutedConnection, rows: i64) {
    until("a replica", async || {
        let was = reason(db);
        assert_eq!(number(db, COUNT).await, rows, "{was}");
        was == Reason::Replica
    })
    .await;
}

/// C2, C4: the primary until a replica is known to have the write, and then that replica.
#[tokio::test]
async fn reads_follow_a_write_to_the_replicas_that_have_it() {
    let place = SLOT.alone("causal_follow").await;
    let db = connect(&place).await;
    let (heard, _guard) = Heard::listen();
    for n in 1..=10 {
        let frozen = place.freeze_replay();
        insert(&db, n).await;
        for _ in 0..5 {
            assert_eq!(number(&db, COUNT).await, n);
            assert_eq!(reason(&db), Reason::NotCaughtUp);
        }
        assert_eq!(
            number(&db.replica(), COUNT).await,
            n - 1,
            "it is stale there"
        );
        // One of them is enough.
        place.standby(0).resume_replay().unwrap();
        heard.decisions();
        until_on_a_replica(&db, n).await;
        for _ in 0..5 {
            assert_eq!(number(&db, COUNT).await, n);
        }
        let decisions = heard.decisions();
        let mut on_replicas = decisions.iter().filter(|one| one.role == "replica");
        assert!(on_replicas.all(|one| one.node == "one"), "{decisions:?}");
        drop(frozen);
        place.caught_up();
    }
}

/// C3: an idle primary, a new segment, and the heads of pages.
#[tokio::test]
async fn nobody_stays_on_the_primary_when_nothing_more_is_written() {
    let place = SLOT.alone("causal_idle").await;
    let db = connect(&place).await;
    for n in 1..=40 {
        insert(&db, n).await;
        if n % 4 == 0 {
            place.on(place.primary(), "SELECT pg_switch_wal()");
        }
        until_on_a_replica(&db, n).await;
    }
    let page = "INSERT INTO t SELECT n FROM generate_series(1, 61) AS n";
    for n in 1..=40 {
        db.execute_unprepared(page).await.unwrap();
        until_on_a_replica(&db, 40 + 61 * n).await;
    }
}

/// C2: captures are shared and paced; where nobody reads or nobody writes there is none.
#[tokio::test]
async fn captures_are_few_and_end_with_the_writes() {
    let place = SLOT.alone("causal_captures").await;
    let db = connect(&place).await;
    let captures = async || crate::heard::counter(&db, "sealane_captures_total").await;
    let (before, begun) = (captures().await, std::time::Instant::now());
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    insert(&db, n).await;
                    number(&db, "SELECT 1::bigint").await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    until("the last capture", async || reason(&db) == Reason::Replica).await;
    let (during, took) = (captures().await - before, begun.elapsed());
    println!("{during} captures for 800 writes in {took:?}");
    assert!((1..=800).contains(&during));
    assert!(
        u128::from(during) <= took.as_millis() + 8,
        "at most a thousand a second, and a few in a row"
    );
    let after = captures().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(captures().await, after, "nobody wrote");

    // A load of writes that nobody reads behind: the attention of the last read ends.
    let (mut last, mut quiet) = (captures().await, 0);
    until("the end of attention", async || {
        insert(&db, 9).await;
        let now = captures().await;
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
        quiet > 20
    })
    .await;
    until_on_a_replica(&db, number(&db.primary(), COUNT).await).await;
}
