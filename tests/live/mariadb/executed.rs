//! MySQL's sets of GTIDs: what else may stand in them than what one primary wrote, and nothing of it passes for a session's own
//! write (rule C16).
//!
//! Without MySQL's programs there is nothing to see here: `tests/run --mysql` brings them.

use std::{fmt::Write as _, time::Duration};

use sea_orm::ConnectionTrait;
use sealane::{OnStale, Role, RoutedConnection};
use sealane_harness::mariadb::{Cluster, Flavour};

use super::stage::{Stage, builder, create, own_cluster, sent};
use crate::{faults::within, fixture::number, heard::Heard, place::until};

const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";
const COUNT: &str = "SELECT count(*) FROM note";
const LIMIT: Duration = Duration::from_secs(60);

fn is_here() -> bool {
    Flavour::asked() == Flavour::MySql
}

/// A cluster that is nobody else's, with a handle to it.
async fn own(replicas: u32) -> (Cluster, RoutedConnection) {
    let cluster = own_cluster(replicas);
    create(cluster.primary(), "app");
    cluster.wait_caught_up().unwrap();
    let db = builder(&cluster, "app").connect().await.unwrap();
    (cluster, db)
}

/// Writes, and reads it `times` times, each time all of it.
async fn write_and_read(db: &RoutedConnection, rows: i64, times: u32) {
    within(LIMIT, db.execute_unprepared(INSERT)).await.unwrap();
    for _ in 0..times {
        assert_eq!(number(db, COUNT).await, rows, "a stale read");
    }
}

async fn until_covered(db: &RoutedConnection) {
    until("a replica that has it", async || {
        number(db, COUNT).await;
        db.explain(COUNT).role == Some(Role::Replica)
    })
    .await;
}

/// Waits until the primary has no position any more, so that a bookmark of what was written stands for nothing.
async fn until_untold(db: &RoutedConnection) {
    until("no position", async || {
        db.bookmark().await.is_ok_and(|mark| mark.is_empty())
    })
    .await;
}

/// However many it has: none of them is what it lacks.
#[tokio::test]
async fn a_replica_with_transactions_of_its_own_serves_what_it_has_and_nothing_else() {
    if !is_here() {
        return;
    }
    let (cluster, db) = own(1).await;
    let replica = cluster.replica(0);
    replica.sql("create table own (id int)").unwrap();
    for _ in 0..20 {
        replica.sql("insert into own values (1)").unwrap();
    }
    write_and_read(&db, 1, 1).await;
    until_covered(&db).await;
    replica.stop_applier().unwrap();
    replica.reset_statements().unwrap();
    for n in 2..=10 {
        replica.sql("insert into own values (1)").unwrap();
        write_and_read(&db, n, 3).await;
    }
    assert_eq!(replica.statements_with(COUNT).unwrap(), 0);
    replica.start_applier().unwrap();
    until_covered(&db).await;
    assert_eq!(number(&db, COUNT).await, 10);
}

/// The primary's numbers go on under another name, and what was written before is there still.
#[tokio::test]
async fn a_primary_that_was_started_again_as_another_server_goes_on() {
    if !is_here() {
        return;
    }
    let (cluster, db) = own(1).await;
    let (primary, replica) = (cluster.primary(), cluster.replica(0));
    write_and_read(&db, 1, 1).await;
    until_covered(&db).await;
    let of_before = primary.sql("select @@server_uuid").unwrap();
    primary.stop().unwrap();
    let identity = cluster.folder().join("m1/data/auto.cnf");
    std::fs::remove_file(identity).unwrap();
    primary.start().unwrap();
    assert_ne!(primary.sql("select @@server_uuid").unwrap(), of_before);
    until("a write", async || {
        db.execute_unprepared(INSERT).await.is_ok()
    })
    .await;
    let rows = number(&db.primary(), COUNT).await;
    replica.stop_applier().unwrap();
    for n in rows + 1..rows + 5 {
        write_and_read(&db, n, 3).await;
    }
    replica.start_applier().unwrap();
    until_covered(&db).await;
    assert_eq!(number(&db, COUNT).await, rows + 4);
}

/// What is not in any log any more is in the set still.
#[tokio::test]
async fn purged_logs_change_nothing() {
    if !is_here() {
        return;
    }
    let (cluster, db) = own(1).await;
    for n in 1..=20 {
        write_and_read(&db, n, 1).await;
    }
    until_covered(&db).await;
    let primary = cluster.primary();
    primary
        .sql("flush binary logs; purge binary logs before now() + interval 1 hour")
        .unwrap();
    let purged = primary.sql("select @@global.gtid_purged").unwrap();
    assert!(!purged.is_empty());
    for n in 21..=30 {
        write_and_read(&db, n, 2).await;
    }
    until_covered(&db).await;
    assert_eq!(number(&db, COUNT).await, 30);
}

/// A bookmark of them would not fit into a cookie: it asks for what the primary has when it comes, and that is said once.
#[tokio::test]
async fn with_the_transactions_of_many_servers_reads_are_served_and_bookmarks_ask_the_primary() {
    if !is_here() {
        return;
    }
    let cluster = own_cluster(1);
    let mut many = String::new();
    for n in 0..500 {
        let comma = if n > 0 { "," } else { "" };
        write!(
            many,
            "{comma}{n:08x}-0000-0000-0000-000000000000:1-1000:2000"
        )
        .unwrap();
    }
    for node in cluster.nodes() {
        node.sql(&format!("set global gtid_purged = '+{many}'"))
            .unwrap();
    }
    create(cluster.primary(), "app");
    cluster.wait_caught_up().unwrap();
    let (heard, _listening) = Heard::listen();
    let db = builder(&cluster, "app").connect().await.unwrap();
    for n in 1..=5 {
        write_and_read(&db, n, 2).await;
        until_covered(&db).await;
        let mark = db.bookmark().await.unwrap();
        assert_eq!(mark.to_string(), "1u.0");
        assert_eq!(number(&db.session_from(&mark), COUNT).await, n);
    }
    let said = heard.warnings();
    let long = said.iter().filter(|one| one.contains("3 KiB")).count();
    assert_eq!(long, 1, "{said:#?}");
    cluster.replica(0).stop_applier().unwrap();
    for n in 6..=10 {
        write_and_read(&db, n, 2).await;
    }
}

/// It writes transactions that no other one can tell apart.
#[tokio::test]
async fn without_gtid_mode_what_wrote_reads_on_the_primary_and_it_is_said_once() {
    if !is_here() {
        return;
    }
    let cluster = own_cluster(1);
    create(cluster.primary(), "app");
    cluster.wait_caught_up().unwrap();
    let mode = "set global gtid_mode = on_permissive";
    cluster.primary().sql(mode).unwrap();
    let (heard, _listening) = Heard::listen();
    let db = builder(&cluster, "app").connect().await.unwrap();
    for n in 1..=10 {
        write_and_read(&db, n, 1).await;
        assert_eq!(db.explain(COUNT).role, Some(Role::Primary));
    }
    let said = heard.warnings();
    let modes = said.iter().filter(|one| one.contains("gtid_mode"));
    assert_eq!(modes.count(), 1, "{said:#?}");
}

/// The mode is taken back while all goes on: from then on the set says nothing of what is written.
#[tokio::test]
async fn a_primary_that_stops_to_give_identifiers_has_no_position_any_more() {
    if !is_here() {
        return;
    }
    let (cluster, db) = own(1).await;
    write_and_read(&db, 1, 1).await;
    until_covered(&db).await;
    for node in cluster.nodes() {
        node.sql("set global gtid_mode = on_permissive").unwrap();
    }
    let primary = cluster.primary();
    primary
        .sql("set global gtid_mode = off_permissive")
        .unwrap();
    cluster.replica(0).stop_applier().unwrap();
    for n in 2..=10 {
        write_and_read(&db, n, 2).await;
    }
}

/// A tag counts by itself, and so does what a session of its own tag wrote.
#[tokio::test]
async fn what_is_written_under_a_tag_is_read_too() {
    if !is_here() {
        return;
    }
    let stage = Stage::new("executed_tags").await;
    let url = |node: &sealane_harness::mariadb::Node| {
        let url = node.url_as("boss", "executed_tags");
        format!("{url}?name={}", node.name())
    };
    let db = RoutedConnection::builder()
        .primary(url(stage.primary()))
        .replicas(stage.replicas().iter().map(url))
        .max_connections(1);
    let db = db.connect().await.unwrap();
    db.execute_unprepared("SET SESSION gtid_next = 'AUTOMATIC:nightly'")
        .await
        .unwrap();
    let stopped = stage.stop_appliers();
    for n in 1..=5 {
        write_and_read(&db, n, 2).await;
    }
    let executed = stage
        .primary()
        .sql("select @@global.gtid_executed")
        .unwrap();
    assert!(executed.contains(":nightly:1-5"), "{executed}");
    drop(stopped);
    until_covered(&db).await;
    assert_eq!(number(&db, COUNT).await, 5);
    let mark = db.bookmark().await.unwrap();
    assert!(mark.to_string().contains(".tnightly."), "{mark}");
}

/// Emptied logs give the numbers anew: nothing is taken from them any more.
#[tokio::test]
async fn a_primary_whose_logs_were_emptied_proves_nothing_once_it_writes_again() {
    if !is_here() {
        return;
    }
    let (cluster, db) = own(1).await;
    let (primary, replica) = (cluster.primary(), cluster.replica(0));
    for n in 1..=10 {
        write_and_read(&db, n, 1).await;
    }
    cluster.wait_caught_up().unwrap();
    until_covered(&db).await;
    replica.stop_receiver().unwrap();
    primary.sql("reset binary logs and gtids").unwrap();
    replica.reset_statements().unwrap();
    for n in 11..=30 {
        write_and_read(&db, n, 3).await;
    }
    assert_eq!(replica.statements_with(COUNT).unwrap(), 0);
    until_untold(&db).await;
    assert!(sent(&cluster, COUNT)[0] > 0);
}

/// What comes in from elsewhere makes it one of several.
#[tokio::test]
async fn a_primary_that_takes_in_what_others_wrote_has_no_position() {
    if !is_here() {
        return;
    }
    let (cluster, db) = own(1).await;
    write_and_read(&db, 1, 1).await;
    until_covered(&db).await;
    let foreign = "set gtid_next = '00000001-0000-0000-0000-000000000000:1'; begin; commit; set gtid_next = 'automatic'";
    cluster.primary().sql(foreign).unwrap();
    cluster.replica(0).stop_applier().unwrap();
    let patient = db.with_on_stale(OnStale::Wait);
    for n in 2..=5 {
        write_and_read(&patient, n, 1).await;
    }
    until_untold(&db).await;
}
