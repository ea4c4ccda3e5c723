//! Where the list of nodes comes from (rule T12).

mod aurora;
mod dns;
mod hosts;
mod patroni;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::ConnectionTrait;
use sealane::{Builder, Discovery, Role, RoutedConnection};
use sealane_harness::{Cluster, Node, Stop};
use tokio::task::JoinHandle;

use crate::place::until;

const MS: Duration = Duration::from_millis(1);

/// A primary and two standbys that nobody else has, with a table.
fn servers() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .start()
        .unwrap();
    cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}

/// A client that asks its source often; `configured` says how to connect.
fn client(configured: String, discovery: Discovery) -> Builder {
    RoutedConnection::builder()
        .primary(configured)
        .discovery(discovery)
        .check_interval(100 * MS)
        .max_lag(None)
}

/// Writes and reads on two tasks until it is stopped; each of them has to succeed.
struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(db: &RoutedConnection) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let task = || {
            let (db, stop, rounds) = (db.clone(), Arc::clone(&stop), Arc::clone(&rounds));
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    insert(&db).await;
                    assert!(crate::fixture::number(&db, "SELECT count(*) FROM t").await > 0);
                    rounds.fetch_add(1, Relaxed);
                    tokio::time::sleep(2 * MS).await;
                }
            })
        };
        let tasks = vec![task(), task()];
        Self {
            stop,
            rounds,
            tasks,
        }
    }

    /// Lets it go on for as long as several questions to the source take.
    async fn goes_on(&self) {
        let before = self.rounds.load(Relaxed);
        until("the load goes on", async || {
            self.tasks.iter().any(JoinHandle::is_finished)
                || self.rounds.load(Relaxed) > before + 300
        })
        .await;
    }

    async fn end(self) {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

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

/// Until these are the nodes, and these their roles.
async fn until_list(db: &RoutedConnection, primary: &Node, replicas: &[&Node]) {
    let replicas = replicas.iter().map(|node| (*node, Role::Replica));
    until_roles(db, [(primary, Role::Primary)].into_iter().chain(replicas)).await;
}

async fn until_roles<'a>(
    db: &RoutedConnection,
    wanted: impl IntoIterator<Item = (&'a Node, Role)>,
) {
    let wanted = wanted.into_iter();
    let mut wanted: Vec<_> = wanted
        .map(|(node, role)| (node.name().to_owned(), role))
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
    let cluster = servers();
    let (first, second, third) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    write(&path, &[first, second], None);
    // What is configured only says how to connect: it is a standby.
    let db = client(second.url(), Discovery::File(path.clone()))
        .connect()
        .await
        .unwrap();
    until_list(&db, first, &[second]).await;
    let load = Load::on(&db);
    write(&path, &[first, second, third], None);
    until_list(&db, first, &[second, third]).await;
    // What is no list, and a list of nobody, change nothing.
    for nothing in ["{", r#"{"nodes": []}"#] {
        fs::write(&path, nothing).unwrap();
        load.goes_on().await;
        assert_eq!(roles(&db).len(), 3);
    }
    write(&path, &[first, third], None);
    until_list(&db, first, &[third]).await;
    load.end().await;
}

/// The file's writer is an authority: its word decides between two primaries of one epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_of_the_file_ends_a_conflict() {
    let cluster = servers();
    let (first, second, third) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    write(&path, &[first, second, third], None);
    let db = client(first.url(), Discovery::File(path.clone()))
        .failover_timeout(300 * MS)
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
    until_roles(&db, [first, second, third].map(|node| (node, Role::Fenced))).await;
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
