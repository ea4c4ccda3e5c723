//! Rights that are taken away while the process runs, and given back (rules T2, T3).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Error, Role, RoutedConnection};
use sealane_harness::Cluster;

use super::{COUNT, as_app};
use crate::{
    heard::Heard,
    place::{until, until_within},
};

const INSERT: &str = "INSERT INTO t VALUES (1)";

pub(super) async fn connect(cluster: &Cluster, called: &str) -> RoutedConnection {
    let replicas = cluster.standbys().iter().map(|node| as_app(node.url()));
    RoutedConnection::builder()
        .cluster_name(called)
        .primary(as_app(cluster.primary().url()))
        .replicas(replicas)
        .check_interval(Duration::from_millis(20))
        .failover_timeout(Duration::from_millis(500))
        .connect()
        .await
        .unwrap()
}

/// What a node said of its epoch before it was promoted is no claim of its own: that had been a conflict with the primary of
/// then, which nobody but an operator could end.
#[tokio::test]
async fn a_right_that_is_revoked_makes_no_conflict_of_the_next_failover_and_one_that_is_granted_ends_the_wait()
 {
    let cluster = Cluster::builder().standbys(2).own_identity().start();
    let cluster = cluster.unwrap();
    let sql = "CREATE TABLE t (n bigint); CREATE ROLE app LOGIN; GRANT ALL ON t TO app; GRANT pg_monitor TO app";
    cluster.primary().sql(sql).unwrap();
    cluster.wait_caught_up().unwrap();
    let (heard, _listening) = Heard::listen();
    let db = connect(&cluster, "revoked").await;
    db.execute_unprepared(INSERT).await.unwrap();
    let revoke = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC";
    cluster.primary().sql(revoke).unwrap();
    cluster.wait_caught_up().unwrap();
    // All are asked again meanwhile.
    tokio::time::sleep(Duration::from_millis(300)).await;
    db.execute_unprepared(INSERT).await.unwrap();
    cluster.wait_caught_up().unwrap();
    let is_told = |part: &str| heard.warnings().iter().any(|line| line.contains(part));
    assert!(
        is_told("A failover is not followed"),
        "{:?}",
        heard.warnings()
    );

    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    old.kill().unwrap();
    new.promote().unwrap();
    other.repoint(new).unwrap();
    until("the promoted one to be seen", async || {
        db.cluster().topology().nodes[1].role == Role::Fenced
    })
    .await;
    let err = db.execute_unprepared(INSERT).await.unwrap_err();
    let waited = matches!(Error::from_db_err(&err), Some(Error::NoPrimary { .. }));
    assert!(waited, "{err}");
    let conflict = |line: &String| line.contains("same timeline");
    assert!(
        !heard.warnings().iter().any(conflict),
        "{:?}",
        heard.warnings()
    );

    let grant = "GRANT EXECUTE ON FUNCTION pg_control_system() TO app";
    new.sql(grant).unwrap();
    let granted = async || db.execute_unprepared(INSERT).await.is_ok();
    // Within the age of a monitor's connection.
    let limit = Duration::from_secs(20);
    until_within(limit, "the new primary to be followed", granted).await;
    old.start().unwrap();
    for _ in 0..20 {
        db.execute_unprepared(INSERT).await.unwrap();
    }
    let rows = |node: &sealane_harness::Node| node.sql(COUNT).unwrap().trim().to_owned();
    assert_eq!((rows(old).as_str(), rows(new).as_str()), ("2", "23"));
    db.close().await.unwrap();
}
