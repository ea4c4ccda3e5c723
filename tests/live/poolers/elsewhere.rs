//! A pooler in transaction mode whose server is another one from one transaction to the next, while its clients stay (rule I8).

use sea_orm::{
    AccessMode, ConnectionTrait, TransactionTrait,
    sqlx::{self, Connection, PgConnection, Row},
};
use sealane::{Consistency, Role, RoutedConnection};
use sealane_harness::{Node, PgBouncer, PoolMode, StartUpOptions};

use crate::{
    fixture::{number, sql},
    place::{Slot, own_cluster, until},
};

static SLOT: Slot = Slot::new(2);

const READ: &str = "SELECT count(*) AS elsewhere_reads FROM t";

fn pooler(first: &Node, mode: PoolMode) -> PgBouncer {
    PgBouncer::to(first, mode, StartUpOptions::Dropped, 10).unwrap()
}

/// What read-only transactions count, until one is on that server or none is on a replica any more; the least.
async fn number_begun(db: &RoutedConnection, server: &Node) -> i64 {
    let port = i64::from(server.addr().port());
    let (mut least, mut there) = (i64::MAX, false);
    until("a transaction elsewhere", async || {
        let txn = db
            .begin_with_config(None, Some(AccessMode::ReadOnly))
            .await
            .unwrap();
        let of = number(&txn, "SELECT inet_server_port()::bigint").await;
        least = least.min(number(&txn, READ).await);
        there = of == port || txn.role() == Role::Primary;
        txn.commit().await.unwrap();
        there
    })
    .await;
    least
}

/// It leads there from the next transaction on; its clients stay.
async fn reload(pooler: &PgBouncer, server: &Node) {
    pooler.configure(server.addr()).unwrap();
    let mut console = PgConnection::connect(&pooler.url("pgbouncer"))
        .await
        .unwrap();
    sqlx::raw_sql("RELOAD").execute(&mut console).await.unwrap();
}

/// The same, and waits until it does.
async fn lead(pooler: &PgBouncer, server: &Node) {
    reload(pooler, server).await;
    let mut asking = PgConnection::connect(&pooler.url("postgres"))
        .await
        .unwrap();
    let port = i32::from(server.addr().port());
    until("the pooler at the other server", async || {
        let asked = sqlx::raw_sql("SELECT pg_catalog.inet_server_port()");
        let told = asked.fetch_one(&mut asking).await;
        told.and_then(|row| row.try_get::<i32, _>(0)).ok() == Some(port)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_when_the_pooler_goes_to_a_server_that_lags() {
    for mode in super::sharing() {
        reads_elsewhere(mode).await;
    }
}

async fn reads_elsewhere(mode: PoolMode) {
    let place = SLOT.alone("poolers_elsewhere").await;
    place.others("DROP TABLE IF EXISTS t; CREATE TABLE t (n bigint)");
    let (mut plain, mut begun) = (Vec::new(), Vec::new());
    for round in 1..=8 {
        let pooler = pooler(place.standby(0), mode);
        let db = RoutedConnection::builder().primary(place.primary_url());
        let db = db.replica(pooler.url("poolers_elsewhere"));
        let db = db.connect().await.unwrap();
        place.caught_up();
        place.standby(1).pause_replay().unwrap();
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        let of = || {
            place
                .standby(0)
                .statements_with("AS elsewhere_reads")
                .unwrap()
        };
        let before = of();
        until("a read there", async || {
            assert_eq!(number(&db, READ).await, round);
            of() > before
        })
        .await;
        match round % 2 {
            0 => {
                lead(&pooler, place.standby(1)).await;
                plain.push(round - number(&db, READ).await);
            }
            _ => {
                reload(&pooler, place.standby(1)).await;
                begun.push(round - number_begun(&db, place.standby(1)).await);
            }
        }
        place.standby(1).resume_replay().unwrap();
        db.close().await.unwrap();
    }
    assert!(
        plain.iter().chain(&begun).all(|&missing| missing == 0),
        "rows that were missing: {plain:?} by statements, {begun:?} in transactions"
    );
}

/// T5: the read goes to the primary, and is no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_the_pooler_goes_to_a_server_that_receives_nothing() {
    let cluster = own_cluster(2);
    let (primary, good, left) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
    left.set("primary_conninfo", "").unwrap();
    until("a standby that receives nothing", async || {
        left.sql(receivers).unwrap().trim() == "0"
    })
    .await;
    primary.sql("INSERT INTO t VALUES (1)").unwrap();
    good.wait_caught_up_with(primary).unwrap();
    for mode in super::sharing() {
        let pooler = pooler(good, mode);
        let db = RoutedConnection::builder().primary(primary.url());
        let db = db.replica(pooler.url("postgres"));
        let db = db.connect().await.unwrap();
        let any = db.with_consistency(Consistency::Eventual);
        let served = || good.statements_with("AS elsewhere_reads").unwrap();
        let before = served();
        until("a read there", async || {
            assert_eq!(number(&any, READ).await, 1);
            served() > before
        })
        .await;
        lead(&pooler, left).await;
        if mode == PoolMode::Prepared {
            // A read that is bound to nothing is not asked whose server it is there (I8): what it goes by is the health check.
            until("a health check there", async || {
                number(&any, READ).await;
                let nodes = db.cluster().topology().nodes;
                nodes.iter().any(|node| node.ineligible.is_some())
            })
            .await;
        }
        for _ in 0..20 {
            assert_eq!(number(&any, READ).await, 1);
        }
        db.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_goes_back_to_the_old_primary_with_the_pooler() {
    // What was promoted serves no second time.
    static OWN: [Slot; 2] = [Slot::new(1), Slot::new(1)];
    for (mode, own) in super::sharing().into_iter().zip(&OWN) {
        texts_back(mode, own).await;
    }
}

async fn texts_back(mode: PoolMode, own: &'static Slot) {
    let place = own.alone("poolers_back").await;
    place.others("CREATE TABLE t (n bigint)");
    let pooler = pooler(place.primary(), mode);
    let db = RoutedConnection::builder().primary(pooler.url("poolers_back"));
    let db = db.connect().await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    db.execute_raw(sql(&db, insert)).await.unwrap();
    place.caught_up();
    let standby = place.standby(0).clone();
    tokio::task::spawn_blocking(move || standby.promote().unwrap())
        .await
        .unwrap();
    lead(&pooler, place.standby(0)).await;
    let there = || place.on(place.standby(0), "SELECT count(*) FROM t");
    until("a write there", async || {
        let _ = db.execute_raw(sql(&db, insert)).await;
        there() == "2"
    })
    .await;
    lead(&pooler, place.primary()).await;
    let row = db.query_one_raw(sql(&db, "SELECT count(*) AS n FROM t"));
    if let Ok(Some(row)) = row.await {
        assert_eq!(
            row.try_get::<i64>("", "n").unwrap(),
            2,
            "a read of the old primary"
        );
    }
    let prepared = db.execute_raw(sql(&db, insert)).await;
    let old = place.on(place.primary(), "SELECT count(*) FROM t");
    assert_eq!(old, "1", "a statement: {prepared:?}");
    lead(&pooler, place.standby(0)).await;
    until("a write there again", async || {
        db.execute_raw(sql(&db, insert)).await.is_ok()
    })
    .await;
    lead(&pooler, place.primary()).await;
    let text = db.execute_unprepared(insert).await;
    let old = place.on(place.primary(), "SELECT count(*) FROM t");
    assert_eq!(old, "1", "a text: {text:?}");
}
