//! The grants that `docs/grants.md` names: what is lost without them, and that its SQL brings it back (rules T2, C2).

mod receiver;
mod revoked;

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Reason, RoutedConnection};
use sealane_harness::Cluster;

use crate::{fixture::number, heard::Heard, place::until};

const COUNT: &str = "SELECT count(*) FROM t";
const PAGE: &str = include_str!("../../docs/grants.md");

fn as_app(url: String) -> String {
    url.replace("postgres@", "app@")
}

async fn connect(cluster: &Cluster, called: &str) -> RoutedConnection {
    RoutedConnection::builder()
        // A name of its own: a test beside this one may hold the default name, and that is a warning.
        .cluster_name(called)
        .primary(as_app(cluster.primary().url()))
        .replica(as_app(cluster.standby(0).url()))
        .check_interval(Duration::from_millis(20))
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_role_that_may_nothing_works_on_the_primary_and_the_pages_sql_brings_the_replicas_back() {
    let cluster = Cluster::builder().standbys(1).own_identity().start();
    let cluster = cluster.unwrap();
    let sql = "CREATE TABLE t (n bigint); CREATE ROLE app LOGIN; GRANT ALL ON t TO app; \
               REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; \
               REVOKE EXECUTE ON FUNCTION pg_control_checkpoint() FROM PUBLIC; \
               REVOKE EXECUTE ON FUNCTION pg_control_recovery() FROM PUBLIC; \
               REVOKE EXECUTE ON FUNCTION pg_stat_get_wal_receiver() FROM PUBLIC";
    cluster.primary().sql(sql).unwrap();
    cluster.wait_caught_up().unwrap();

    let (heard, _listening) = Heard::listen();
    let db = connect(&cluster, "grants").await;
    assert_eq!(db.explain(COUNT).reason, Reason::Replica);
    let insert = "INSERT INTO t VALUES (1)";
    db.execute_unprepared(insert).await.unwrap();
    let is_told = |warning: &str| heard.warnings().iter().any(|line| line.contains(warning));
    until("the warning", async || is_told("let the role execute")).await;
    // At the start, and with what it costs.
    assert!(
        is_told("A failover is not followed"),
        "{:?}",
        heard.warnings()
    );
    assert!(is_told("GRANT EXECUTE ON FUNCTION pg_control_system(), "));
    assert_eq!(db.explain(COUNT).reason, Reason::NotCaughtUp);
    assert_eq!(number(&db, COUNT).await, 1);
    db.close().await.unwrap();

    // As the page says, the part of the first grant is enough.
    let ours = PAGE.split("\n## MariaDB").next().unwrap();
    let blocks = ours.split("```sql\n").skip(1);
    for block in blocks.filter_map(|rest| rest.split("```").next()) {
        let sql = block.replace("pg_monitor", "pg_read_all_stats");
        cluster.primary().sql(&sql).unwrap();
    }
    cluster.wait_caught_up().unwrap();
    let (heard, _listening) = Heard::listen();
    let db = connect(&cluster, "grants").await;
    db.execute_unprepared(insert).await.unwrap();
    until("the replica to have it", async || {
        assert_eq!(number(&db, COUNT).await, 2);
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    assert_eq!(heard.warnings(), Vec::<String>::new());
}

/// Hosts that are shared by many take more of the catalog from everybody than the page's grants give back.
#[tokio::test]
async fn a_role_that_may_not_read_who_else_is_there_follows_a_failover() {
    let cluster = Cluster::builder().standbys(2).own_identity().start();
    let cluster = cluster.unwrap();
    let sql = "CREATE TABLE t (n bigint); CREATE ROLE app LOGIN; GRANT ALL ON t TO app; GRANT pg_monitor TO app; \
               REVOKE ALL ON pg_catalog.pg_database, pg_catalog.pg_extension, pg_catalog.pg_subscription FROM PUBLIC";
    cluster.primary().sql(sql).unwrap();
    cluster.wait_caught_up().unwrap();
    let db = connect(&cluster, "grants-little").await;
    let epoch = || db.cluster().topology().epoch;
    assert_eq!(epoch(), Some(1));
    let insert = "INSERT INTO t VALUES (1)";
    db.execute_unprepared(insert).await.unwrap();
    let (old, new) = (cluster.primary().clone(), cluster.standby(0).clone());
    tokio::task::spawn_blocking(move || {
        new.wait_caught_up_with(&old).unwrap();
        old.kill().unwrap();
        new.promote().unwrap();
        old.start().unwrap();
    })
    .await
    .unwrap();
    until("the promoted one to be followed", async || {
        epoch() == Some(2) && db.execute_unprepared(insert).await.is_ok()
    })
    .await;
    for _ in 0..20 {
        db.execute_unprepared(insert).await.unwrap();
    }
    // The old one came back as it was.
    let rows = cluster.primary().sql(COUNT).unwrap();
    assert_eq!(rows.trim(), "1");
}
