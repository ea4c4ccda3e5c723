//! A standby that can wait for a position itself is left to it (`WAIT FOR LSN`, PostgreSQL 19; rule C5).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{OnStale, Role};
use sealane_harness::{Forwarder, Node};

use super::{COUNT, SLOT, connect, insert};
use crate::{
    fixture::{number, sql},
    heard::is_asked_sparingly,
    place::{own_cluster, until, until_within},
};

const LONG: Duration = Duration::from_secs(60);

/// Whether the servers here can.
fn can_hold(node: &Node) -> bool {
    let version: u32 = node
        .sql("SHOW server_version_num")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    if version < 190_000 {
        println!("not run on {version}: tests/run --postgres 19 holds");
    }
    version >= 190_000
}

/// How many of its connections wait for a position now.
fn holding(node: &Node) -> u64 {
    let sql = "SELECT count(*) FROM pg_stat_activity \
         WHERE state = 'active' AND query LIKE 'WAIT FOR LSN%' AND pid <> pg_backend_pid()";
    node.sql(sql).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_standby_is_asked_once_by_all_who_wait_and_answers_when_it_is_there() {
    let place = SLOT.alone("holds").await;
    if !can_hold(place.primary()) {
        return;
    }
    let db = connect(&place).await;
    let patient = db.with_on_stale(OnStale::Wait).with_stale_wait(LONG);
    let frozen = place.freeze_replay();
    insert(&patient, 1).await;
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let db = patient.clone();
            tokio::spawn(async move { number(&db, COUNT).await })
        })
        .collect();
    until("both standbys to be left to wait", async || {
        (0..2).all(|at| holding(place.standby(at)) == 1)
    })
    .await;
    is_asked_sparingly(&db, || (0..2).all(|at| holding(place.standby(at)) <= 1)).await;
    drop(frozen);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 1);
    }
    place.caught_up();
}

/// The wait comes first in its message: behind a snapshot the server refuses it.
#[tokio::test]
async fn where_transactions_are_repeatable_by_default_it_waits_as_well() {
    let place = SLOT.alone("holds_plain").await;
    if !can_hold(place.primary()) {
        return;
    }
    let db = super::connect_with(&place, |builder| builder).await;
    db.execute_unprepared(
        "ALTER DATABASE holds_plain SET default_transaction_isolation = 'repeatable read'",
    )
    .await
    .unwrap();
    place.caught_up();
    let other = connect(&place).await;
    let patient = other.with_on_stale(OnStale::Wait).with_stale_wait(LONG);
    for n in 1..=20 {
        let frozen = place.freeze_replay();
        insert(&patient, n).await;
        let reading = number(&patient, COUNT);
        let thawing = async {
            until("a standby to be left to wait", async || {
                holding(place.standby(0)) > 0
            })
            .await;
            drop(frozen);
        };
        let (rows, ()) = tokio::join!(reading, thawing);
        assert_eq!(rows, n);
    }
    place.caught_up();
}

/// A replica that does not catch up is asked more often what it is, so its own answer has not to be a signal for that.
#[tokio::test]
async fn a_standby_that_is_promoted_while_it_waits_is_heard_of_before_its_next_check() {
    let cluster = own_cluster(1);
    if !can_hold(cluster.primary()) {
        return;
    }
    let standby = cluster.standby(0);
    let stream = Forwarder::to(cluster.primary().addr()).unwrap();
    standby.repoint_to(stream.addr()).unwrap();
    standby.wait_streaming().unwrap();
    let db = sealane::RoutedConnection::builder()
        .primary(format!("{}?name=one", cluster.primary().url()))
        .replicas([format!("{}?name=two", standby.url())])
        .check_interval(LONG)
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    // What is written from here on never comes to it, and it does not know that.
    stream.black_hole();
    let session = db.session();
    insert(&session, 1).await;
    let waiting = session.wait_for_replicas(1, LONG);
    let promoting = async {
        until("it to be left to wait", async || holding(standby) > 0).await;
        let node = standby.clone();
        tokio::task::spawn_blocking(move || node.promote().unwrap())
            .await
            .unwrap();
        let before_its_check = LONG / 3;
        until_within(before_its_check, "it to be the primary", async || {
            let topology = db.cluster().topology();
            let mut nodes = topology.nodes.iter();
            nodes.any(|node| node.name == "two" && node.role == Role::Primary)
        })
        .await;
    };
    let (lost, ()) = tokio::join!(waiting, promoting);
    // The row went with the old primary, and that is said.
    assert!(lost.is_err());
    assert!(db.query_one_raw(sql(&db, COUNT)).await.is_ok());
}
