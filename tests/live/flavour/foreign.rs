//! A server of another kind beside a PostgreSQL cluster, and one that becomes of another kind while the cluster sleeps (T17,
//! T18).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Builder, NodeConfig, Role, RoutedConnection};
use sealane_harness::{Cluster, Stop};

use super::dress::{COCKROACH, nodes};
use crate::{
    fixture::number,
    heard::Heard,
    place::{own_cluster, until},
};

const COUNT: &str = "SELECT count(*) FROM t";

fn builder(cluster: &Cluster) -> Builder {
    RoutedConnection::builder()
        .primary(format!("{}?name=primary", cluster.primary().url()))
        .check_interval(Duration::from_millis(50))
}

async fn insert(db: &RoutedConnection) {
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
}

/// Where the last of some reads of what was written ran.
async fn read_on(db: &RoutedConnection, rows: i64) -> String {
    let (heard, _guard) = Heard::listen();
    assert_eq!(number(db, COUNT).await, rows);
    heard.decisions().pop().unwrap().role
}

async fn until_on_the_standby(db: &RoutedConnection, rows: i64) {
    until("a read of what was written on the standby", async || {
        read_on(db, rows).await == "replica"
    })
    .await;
}

#[tokio::test]
async fn a_fenced_server_of_another_system_takes_no_positions_away() {
    let (cluster, foreign) = (own_cluster(1), nodes(1, COCKROACH));
    let urls = [cluster.standby(0), foreign[0].primary()].map(|node| node.url());
    let db = builder(&cluster).replicas(urls).connect().await.unwrap();
    until("the foreign one to be fenced", async || {
        let topology = db.cluster().topology();
        topology.nodes[2].role == Role::Fenced
    })
    .await;
    insert(&db).await;
    until_on_the_standby(&db, 1).await;
    db.close().await.unwrap();
}

/// A coordinator of Citus that reads from its workers' replicas from now on: its own position says nothing of those.
#[tokio::test]
async fn what_a_node_says_as_the_cluster_wakes_counts_before_any_read() {
    let cluster = own_cluster(1);
    let db = builder(&cluster)
        .replicas([cluster.standby(0).url()])
        .idle_after(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    insert(&db).await;
    until_on_the_standby(&db, 1).await;
    until("the cluster to sleep", async || {
        db.cluster().topology().asleep
    })
    .await;
    let workers = "ALTER DATABASE postgres SET citus.use_secondary_nodes = 'always'";
    cluster.primary().sql(workers).unwrap();
    cluster.wait_caught_up().unwrap();
    for _ in 0..20 {
        assert_eq!(read_on(&db, 1).await, "primary");
    }
    db.close().await.unwrap();
}

/// Nobody knows whose it is while there is no primary: it may be one of ours.
#[tokio::test]
async fn what_a_foreign_server_took_while_there_was_no_primary_comes_back_with_that() {
    let cluster = own_cluster(1);
    let foreign = Cluster::builder()
        .standbys(1)
        .own_identity()
        .setting("citus.use_secondary_nodes", "always")
        .start()
        .unwrap();
    cluster.primary().stop(Stop::Fast).unwrap();
    let urls = [foreign.standby(0), cluster.standby(0)].map(|node| node.url());
    let db = builder(&cluster)
        .cluster_name("foreign-first")
        .replicas(urls)
        .max_lag(None)
        .start_without_primary(true)
        .connect()
        .await
        .unwrap();
    let role = |at: usize| db.cluster().topology().nodes[at].role;
    assert_eq!((role(0), role(1)), (Role::Unknown, Role::Replica));
    cluster.primary().start().unwrap();
    until("the foreign one to be fenced", async || {
        (role(0), role(1)) == (Role::Primary, Role::Fenced)
    })
    .await;
    insert(&db).await;
    until_on_the_standby(&db, 1).await;
    db.close().await.unwrap();
}

/// A cluster's primary and its first standby.
fn first(cluster: &Cluster) -> [NodeConfig; 2] {
    let (primary, standby) = (cluster.primary().url(), cluster.standby(0).url());
    let primary = NodeConfig::primary(format!("{primary}?name=primary")).unwrap();
    [primary, NodeConfig::replica(standby).unwrap()]
}

/// The second one, as one that reads from other servers than its own.
fn joining(cluster: &Cluster) -> NodeConfig {
    let url = cluster.standby(1).url();
    NodeConfig::replica(format!("{url}?options[citus.use_secondary_nodes]=always")).unwrap()
}

/// What was written while it was there is read where it is known to be, too.
#[tokio::test]
async fn a_node_that_proves_nothing_takes_positions_away_for_as_long_as_it_is_in_the_list() {
    let cluster = own_cluster(2);
    let db = builder(&cluster)
        .cluster_name("foreign-joins")
        .replicas([cluster.standby(0).url()])
        .connect()
        .await
        .unwrap();
    insert(&db).await;
    until_on_the_standby(&db, 1).await;
    let first = || first(&cluster);
    for rows in [2, 3] {
        let nodes = first().into_iter().chain([joining(&cluster)]);
        db.cluster().replace_nodes(nodes).await.unwrap();
        insert(&db).await;
        cluster.wait_caught_up().unwrap();
        for _ in 0..20 {
            assert_eq!(read_on(&db, rows).await, "primary");
        }
        db.cluster().replace_nodes(first()).await.unwrap();
        until_on_the_standby(&db, rows).await;
    }
    db.close().await.unwrap();
}

/// The client was given no bookmark for what it wrote then.
#[cfg(feature = "tower")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_wrote_while_there_were_no_positions_misses_nothing_once_they_are_back() {
    use axum::{Router, body, extract::State, http::Request, routing::get};
    use sealane::middleware::SessionLayer;
    use tower_service::Service;

    async fn read(State(db): State<RoutedConnection>) -> String {
        number(&db, COUNT).await.to_string()
    }

    let cluster = own_cluster(2);
    let (first, workers) = (|| first(&cluster), joining(&cluster));
    let db = builder(&cluster)
        .cluster_name("foreign-client")
        .replicas([cluster.standby(0).url()])
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    let mut app = Router::new()
        .route("/", get(read))
        .layer(SessionLayer::new(db.clone()).bookmarks_only())
        .with_state(db.clone());
    let nodes = first().into_iter().chain([workers]);
    db.cluster().replace_nodes(nodes).await.unwrap();
    cluster.standby(0).pause_replay().unwrap();
    insert(&db).await;
    assert!(db.bookmark().await.unwrap().is_empty());
    db.cluster().replace_nodes(first()).await.unwrap();
    until("positions", async || {
        !db.bookmark().await.unwrap().is_empty()
    })
    .await;
    for _ in 0..10 {
        let response = app.call(Request::new(body::Body::empty())).await.unwrap();
        let rows = body::to_bytes(response.into_body(), 10).await.unwrap();
        assert_eq!(&rows[..], b"1");
    }
    cluster.standby(0).resume_replay().unwrap();
    db.close().await.unwrap();
}
