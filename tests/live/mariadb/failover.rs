//! Another primary, named by configuration.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{NodeConfig, RoutedConnection};
use sealane_harness::mariadb::{Cluster, Node};

use super::stage::{builder, create, own_cluster};
use crate::{faults::within, fixture::number, place::until};

const LIMIT: Duration = Duration::from_secs(30);
const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";
const COUNT: &str = "SELECT count(*) FROM note";

fn cluster() -> Cluster {
    let cluster = own_cluster(2);
    create(cluster.primary(), "app");
    cluster.wait_caught_up().unwrap();
    cluster
}

fn named(node: &Node, primary: bool) -> NodeConfig {
    let url = format!("{}?name={}", node.url_of("app"), node.name());
    match primary {
        true => NodeConfig::primary(url).unwrap(),
        false => NodeConfig::replica(url).unwrap(),
    }
}

async fn connect(cluster: &Cluster) -> RoutedConnection {
    builder(cluster, "app").connect().await.unwrap()
}

#[tokio::test]
async fn a_planned_change_by_another_list_loses_nothing_and_fails_nothing() {
    let cluster = cluster();
    let [old, new, other] = cluster.nodes() else {
        panic!()
    };
    let db = connect(&cluster).await;
    db.execute_unprepared(INSERT).await.unwrap();
    old.demote().unwrap();
    new.wait_caught_up_with(old).unwrap();
    // Begun while nobody takes writes: it waits, is not sent twice, and does not fail.
    let waiting = {
        let db = db.clone();
        tokio::spawn(async move { db.execute_unprepared(INSERT).await })
    };
    new.promote().unwrap();
    other.follow(new).unwrap();
    old.rejoin(new).unwrap();
    let list = [named(new, true), named(other, false), named(old, false)];
    within(LIMIT, db.cluster().replace_nodes(list))
        .await
        .unwrap();
    within(LIMIT, waiting).await.unwrap().unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    assert_eq!(number(&db, COUNT).await, 3);
    assert_eq!(new.sql_in("app", COUNT).unwrap(), "3");
    old.wait_caught_up_with(new).unwrap();
    assert_eq!(old.sql_in("app", COUNT).unwrap(), "3");
}

#[tokio::test]
async fn after_a_kill_writes_wait_for_the_list_that_names_the_new_primary() {
    let cluster = cluster();
    let [old, new, other] = cluster.nodes() else {
        panic!()
    };
    let db = connect(&cluster).await;
    db.execute_unprepared(INSERT).await.unwrap();
    cluster.wait_caught_up().unwrap();
    old.kill().unwrap();
    new.promote().unwrap();
    other.follow(new).unwrap();
    let list = [named(new, true), named(other, false)];
    within(LIMIT, db.cluster().replace_nodes(list))
        .await
        .unwrap();
    let mut written = 1;
    // The first one may find the connection of before.
    until("a write on the new primary", async || {
        let done = db.execute_unprepared(INSERT).await.is_ok();
        written += i64::from(done);
        done
    })
    .await;
    assert_eq!(number(&db, COUNT).await, written);
    assert_eq!(new.sql_in("app", COUNT).unwrap(), written.to_string());
}
