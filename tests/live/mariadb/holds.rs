//! A replica is left to wait for a position itself (`MASTER_GTID_WAIT`, on MySQL `WAIT_FOR_EXECUTED_GTID_SET`; rule C5).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::OnStale;
use sealane_harness::mariadb::Flavour;

use super::stage::Stage;
use crate::{
    faults::within,
    fixture::number,
    heard::{Heard, is_asked_sparingly},
    place::until,
};

const LONG: Duration = Duration::from_secs(60);
const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";
const COUNT: &str = "SELECT count(*) FROM note";

/// What a server is left to wait by.
fn wait(stage: &Stage) -> &'static str {
    match stage.primary().flavour() {
        Flavour::MariaDb => "MASTER_GTID_WAIT",
        Flavour::MySql => "WAIT_FOR_EXECUTED_GTID_SET",
    }
}

#[tokio::test]
async fn a_replica_is_asked_once_by_all_who_wait_and_answers_when_it_is_there() {
    let stage = Stage::new("holds").await;
    let wait = wait(&stage);
    let db = stage.builder().max_lag(None).connect().await.unwrap();
    let patient = db.with_on_stale(OnStale::Wait).with_stale_wait(LONG);
    let stopped = stage.stop_appliers();
    patient.execute_unprepared(INSERT).await.unwrap();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let db = patient.clone();
            tokio::spawn(async move { number(&db, COUNT).await })
        })
        .collect();
    until("both replicas to be left to wait", async || {
        let mut replicas = stage.replicas().iter();
        replicas.all(|replica| replica.running(wait).unwrap() == 1)
    })
    .await;
    is_asked_sparingly(&db, || {
        let mut replicas = stage.replicas().iter();
        replicas.all(|replica| replica.running(wait).unwrap() <= 1)
    })
    .await;
    stage.primary().reset_statements().unwrap();
    drop(stopped);
    for reader in readers {
        assert_eq!(within(LONG, reader).await.unwrap(), 1);
    }
    assert_eq!(stage.sent(COUNT)[0], 0, "all of them were read on replicas");
    assert_eq!(stage.sent(wait)[0], 0, "no primary is left to wait");
}

/// Each read waits for its own write, and never sees less.
#[tokio::test]
async fn no_read_that_waits_is_stale() {
    let stage = Stage::new("holds_fresh").await;
    let db = stage.builder().connect().await.unwrap();
    let patient = db.with_on_stale(OnStale::Wait).with_stale_wait(LONG);
    let (heard, _listening) = Heard::listen();
    for n in 1..=200 {
        patient.execute_unprepared(INSERT).await.unwrap();
        assert_eq!(number(&patient, COUNT).await, n);
    }
    let decisions = heard.decisions();
    let on_replicas = decisions.iter().filter(|one| one.node != "m1").count();
    assert!(on_replicas > 0, "{} of them", decisions.len());
}
