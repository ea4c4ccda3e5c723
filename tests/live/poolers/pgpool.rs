//! Pgpool-II, which reads statements and sends them to servers of its choice (rule I9).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Role, RoutedConnection};
use sealane_harness::{Forwarder, Pgpool};

use super::{SLOT, load};
use crate::{
    fixture::{number, sql},
    place::{Place, until},
};

const TABLE: &str = "CREATE TABLE noted (client bigint NOT NULL, kind bigint NOT NULL)";
const WRITE: &str = "INSERT INTO noted VALUES (0, 0)";
const READ: &str = "SELECT count(*) FROM noted";
const NAMED: &str = "load_balance_mode";

fn pool(place: &Place, balances: bool) -> Pgpool {
    Pgpool::over(place.cluster().nodes(), balances).unwrap()
}

/// Whose server it is the primary says there, and the read after it a standby answers.
#[tokio::test]
async fn one_that_balances_is_refused_as_a_writer() {
    let place = SLOT.alone("pgpool_writer").await;
    let pool = pool(&place, true);
    let db = RoutedConnection::builder().primary(pool.url("pgpool_writer"));
    let refused = db.connect().await.unwrap_err().to_string();
    assert!(refused.contains(NAMED), "{refused}");
}

#[tokio::test]
async fn behind_one_that_balances_no_read_is_served_and_none_is_stale() {
    let place = SLOT.alone("pgpool_reader").await;
    place.others(TABLE);
    let pool = pool(&place, true);
    let db = RoutedConnection::builder()
        .primary(place.primary_url())
        .replica(pool.url("pgpool_reader"))
        .connect()
        .await
        .unwrap();
    let _frozen = place.freeze_replay();
    for written in 1..=20 {
        db.execute_unprepared(WRITE).await.unwrap();
        assert_eq!(number(&db, READ).await, written);
    }
    let refused = db.replica().query_one_raw(sql(&db, READ)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(NAMED), "{refused}");
}

/// A name that led to the primary, and leads through it from now on; then back.
#[tokio::test]
async fn through_one_that_is_put_between_later_no_read_is_stale() {
    let place = SLOT.alone("pgpool_later").await;
    place.others(TABLE);
    let pool = pool(&place, true);
    let name = Forwarder::to(place.primary().addr()).unwrap();
    let db = RoutedConnection::builder()
        .primary(format!("postgres://postgres@{}/pgpool_later", name.addr()))
        .replicas(place.replica_urls())
        .failover_timeout(Duration::from_secs(1))
        .connect()
        .await
        .unwrap();
    let _frozen = place.freeze_replay();
    let mut written = 0;
    // Each write that is known, and a read after it.
    let mut turn = async || {
        match db.execute_unprepared(WRITE).await {
            Ok(_) => written += 1,
            Err(err) => return Err(err.to_string()),
        }
        if let Ok(Some(row)) = db.query_one_raw(sql(&db, READ)).await {
            let seen: i64 = row.try_get_by_index(0).unwrap();
            assert!(seen >= written, "{seen} rows of {written}");
        }
        Ok(())
    };
    turn().await.unwrap();
    name.redirect(pool.addr());
    name.disconnect();
    until("it to be refused", async || {
        turn().await.is_err_and(|err| err.contains(NAMED))
    })
    .await;
    name.redirect(place.primary().addr());
    name.disconnect();
    until("it to serve again", async || turn().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_that_does_not_balance_nothing_fails_and_nothing_is_stale() {
    let place = SLOT.alone("pgpool_off").await;
    place.others(TABLE);
    let pool = pool(&place, false);
    let db = RoutedConnection::builder()
        .primary(pool.url("pgpool_off"))
        .replicas(place.replica_urls())
        .connect()
        .await
        .unwrap();
    load::clients(&db).await;
    let topology = db.cluster().topology();
    let mut nodes = topology.nodes.iter();
    assert!(nodes.any(|node| node.role == Role::Primary), "{topology}");
}
