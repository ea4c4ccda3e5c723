//! Roles that may not see from whom a standby receives, from the start or from some moment on: failover is followed all the
//! same (rules T2, C6).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Reason, Role};
use sealane_harness::{Cluster, Node};

use super::{COUNT, revoked::connect};
use crate::{
    fixture::number,
    heard::Heard,
    place::{until, until_within},
};

const INSERT: &str = "INSERT INTO t VALUES (1)";
const ROLE: &str = "CREATE TABLE t (n bigint); CREATE ROLE app LOGIN; GRANT ALL ON t TO app; GRANT pg_monitor TO app";
const OF_THE_VIEW: &str = "REVOKE SELECT ON pg_catalog.pg_stat_wal_receiver FROM PUBLIC";
const OF_THE_FUNCTION: &str =
    "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_wal_receiver() FROM PUBLIC";

fn rows(node: &Node) -> String {
    node.sql(COUNT).unwrap().trim().to_owned()
}

/// What is read of one's own writes comes from a replica, and the failover is followed with two standbys; what was warned of.
async fn follows(revoke: &str, while_it_runs: bool, called: &str) -> Vec<String> {
    let cluster = Cluster::builder().standbys(2).own_identity().start();
    let cluster = cluster.unwrap();
    cluster.primary().sql(ROLE).unwrap();
    if !while_it_runs {
        cluster.primary().sql(revoke).unwrap();
    }
    cluster.wait_caught_up().unwrap();
    let (heard, _listening) = Heard::listen();
    let db = connect(&cluster, called).await;
    let on_a_replica = async |rows: i64| {
        assert_eq!(number(&db, COUNT).await, rows);
        db.explain(COUNT).reason == Reason::Replica
    };
    if while_it_runs {
        cluster.primary().sql(revoke).unwrap();
        cluster.wait_caught_up().unwrap();
        // All are asked again meanwhile.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    db.execute_unprepared(INSERT).await.unwrap();
    until("a replica to have it", async || on_a_replica(1).await).await;
    cluster.wait_caught_up().unwrap();

    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    old.kill().unwrap();
    new.promote().unwrap();
    other.repoint(new).unwrap();
    let followed = async || db.execute_unprepared(INSERT).await.is_ok();
    let limit = Duration::from_secs(10);
    until_within(limit, "the new primary to be followed", followed).await;
    old.start().unwrap();
    until("the old one to be fenced", async || {
        db.cluster().topology().nodes[0].role == Role::Fenced
    })
    .await;
    for _ in 0..10 {
        db.execute_unprepared(INSERT).await.unwrap();
    }
    assert_eq!((rows(old), rows(new)), ("1".to_owned(), "12".to_owned()));
    // Where it does not tell whom it follows.
    new.sql("CHECKPOINT").unwrap();
    other.wait_caught_up_with(new).unwrap();
    other.sql("CHECKPOINT").unwrap();
    until("the other one to have it", async || on_a_replica(12).await).await;
    db.close().await.unwrap();
    heard.warnings()
}

fn asks_for(warnings: &[String], grant: &str) -> usize {
    let asks = |line: &&String| line.contains(grant);
    warnings.iter().filter(asks).count()
}

#[tokio::test]
async fn a_view_that_is_closed_takes_nothing() {
    let warnings = follows(OF_THE_VIEW, false, "view").await;
    assert_eq!(asks_for(&warnings, "GRANT"), 0, "{warnings:?}");
}

#[tokio::test]
async fn nor_does_one_that_is_closed_while_the_process_runs() {
    let warnings = follows(OF_THE_VIEW, true, "view-later").await;
    assert_eq!(asks_for(&warnings, "GRANT"), 0, "{warnings:?}");
}

#[tokio::test]
async fn a_function_that_is_closed_takes_no_failover_and_what_to_grant_is_told() {
    let warnings = follows(OF_THE_FUNCTION, false, "receiver").await;
    let grant = "GRANT EXECUTE ON FUNCTION pg_stat_get_wal_receiver() TO app";
    assert_eq!(asks_for(&warnings, grant), 1, "{warnings:?}");
}

#[tokio::test]
async fn nor_does_that_when_it_is_closed_while_the_process_runs() {
    let warnings = follows(OF_THE_FUNCTION, true, "receiver-later").await;
    let grant = "GRANT EXECUTE ON FUNCTION pg_stat_get_wal_receiver() TO app";
    assert_eq!(asks_for(&warnings, grant), 1, "{warnings:?}");
}
