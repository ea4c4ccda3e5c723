//! Where the list of nodes comes from (rule T12).

mod aurora;
mod patroni;

use std::{fs, path::Path, time::Duration};

use sea_orm::ConnectionTrait;
use sealane::{Discovery, Role, RoutedConnection};
use sealane_harness::{Cluster, Node, Stop};

use crate::place::until;

const MS: Duration = Duration::from_millis(1);

/// A whole file in its place, as whoever writes one should.
fn write(path: &Path, nodes: &[&Node], primary: Option<&str>) {
    let nodes: Vec<String> = nodes
        .iter()
        .map(|node| {
            format!(
                r#"{{"name": "{}", "host": "127.0.0.1:{}"}}"#,
                node.name(),
                node.port()
            )
        })
        .collect();
    let primary = primary.map_or_else(String::new, |name| format!(r#", "primary": "{name}""#));
    let text = format!(r#"{{"nodes": [{}]{primary}}}"#, nodes.join(", "));
    let half = path.with_extension("half");
    fs::write(&half, text).unwrap();
    fs::rename(&half, path).unwrap();
}

fn roles(db: &RoutedConnection) -> Vec<(String, Role)> {
    let topology = db.cluster().topology();
    let mut roles: Vec<_> = topology
        .nodes
        .into_iter()
        .map(|node| (node.name, node.role))
        .collect();
    roles.sort_by(|one, other| one.0.cmp(&other.0));
    roles
}

async fn until_roles(db: &RoutedConnection, wanted: &[(&Node, Role)]) {
    let mut wanted: Vec<_> = wanted
        .iter()
        .map(|(node, role)| (node.name().to_owned(), *role))
        .collect();
    wanted.sort_by(|one, other| one.0.cmp(&other.0));
    until(&format!("{wanted:?}"), async || roles(db) == wanted).await;
}

async fn insert(db: &RoutedConnection) {
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_file_adds_and_removes_nodes_under_load() {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .start()
        .unwrap();
    let (first, second, third) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    first.sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    write(&path, &[first, second], None);
    // What is configured only says how to connect: it is a standby.
    let db = RoutedConnection::builder()
        .primary(second.url())
        .discovery(Discovery::File(path.clone()))
        .check_interval(100 * MS)
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    until_roles(&db, &[(first, Role::Primary), (second, Role::Replica)]).await;
    let load = tokio::spawn({
        let db = db.clone();
        async move {
            for _ in 0..400 {
                insert(&db).await;
                let rows = crate::fixture::number(&db, "SELECT count(*) FROM t").await;
                assert!(rows > 0);
                tokio::time::sleep(2 * MS).await;
            }
        }
    });
    write(&path, &[first, second, third], None);
    until_roles(
        &db,
        &[
            (first, Role::Primary),
            (second, Role::Replica),
            (third, Role::Replica),
        ],
    )
    .await;
    // What is no list, and a list of nobody, change nothing.
    for nothing in ["{", r#"{"nodes": []}"#] {
        fs::write(&path, nothing).unwrap();
        tokio::time::sleep(300 * MS).await;
        assert_eq!(roles(&db).len(), 3);
    }
    write(&path, &[first, third], None);
    until_roles(&db, &[(first, Role::Primary), (third, Role::Replica)]).await;
    load.await.unwrap();
}

/// The file's writer is an authority: its word decides between two primaries of one epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_of_the_file_ends_a_conflict() {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .start()
        .unwrap();
    let (first, second, third) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    first.sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    write(&path, &[first, second, third], None);
    let db = RoutedConnection::builder()
        .primary(first.url())
        .discovery(Discovery::File(path.clone()))
        .check_interval(100 * MS)
        .failover_timeout(300 * MS)
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    first.stop(Stop::Fast).unwrap();
    let (one, two) = (second.clone(), third.clone());
    tokio::task::spawn_blocking(move || {
        one.promote().unwrap();
        two.promote().unwrap();
    })
    .await
    .unwrap();
    until_roles(
        &db,
        &[
            (first, Role::Fenced),
            (second, Role::Fenced),
            (third, Role::Fenced),
        ],
    )
    .await;
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap_err();
    write(&path, &[first, second, third], Some(third.name()));
    until("the word", async || {
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .is_ok()
    })
    .await;
    assert_eq!(third.sql("SELECT count(*) FROM t").unwrap().trim(), "1");
    assert_eq!(second.sql("SELECT count(*) FROM t").unwrap().trim(), "0");
}
