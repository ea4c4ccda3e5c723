//! Connections by TLS: each node by its own authorities, and Patroni's interface by https (rule T12).
//!
//! A binary of its own, since TLS is a feature that the other tests are compiled without.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is its report"
)]

mod interface;
mod nodes;

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Statement};
use sealane::{Role, RoutedConnection};
use sealane_harness::{Authority, Certified, Cluster, Node, TlsClients};

/// A primary with standbys; each server has a certificate of the authority beside it, for `localhost`.
fn servers(authorities: &[&Authority], clients: TlsClients) -> Cluster {
    let standbys = authorities.len() - 1;
    let cluster = Cluster::builder()
        .standbys(standbys)
        .own_identity()
        .start()
        .unwrap();
    cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    for (node, authority) in cluster.nodes().iter().zip(authorities) {
        let certified = authority.sign(&["localhost"]).unwrap();
        node.serve_tls(&certified, authority, clients).unwrap();
    }
    cluster
}

/// A URL by name, since a certificate is for one.
fn url(node: &Node, parameters: &str) -> String {
    format!(
        "postgres://postgres@localhost:{}/postgres?{parameters}",
        node.port()
    )
}

fn verified_by(authority: &Authority) -> String {
    format!(
        "sslmode=verify-full&sslrootcert={}",
        authority.certificate().display()
    )
}

fn shown(certified: &Certified) -> String {
    let (certificate, key) = (certified.certificate.display(), certified.key.display());
    format!("sslcert={certificate}&sslkey={key}")
}

async fn until(what: &str, ready: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !ready().await {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn number(db: &impl ConnectionTrait, text: &str) -> i64 {
    let stmt = Statement::from_string(db.get_database_backend(), text);
    let row = db.query_one_raw(stmt).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn insert(db: &impl ConnectionTrait) {
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
}

/// Waits until a replica serves reads, by its role; and until that one sees what was written.
async fn until_roles(db: &RoutedConnection, replicas: usize) {
    until("all nodes to serve", async || {
        let nodes = db.cluster().topology().nodes;
        let all = |role| nodes.iter().filter(|node| node.role == role).count();
        (all(Role::Primary), all(Role::Replica)) == (1, replicas)
    })
    .await;
}

/// Reads served by this server so far, as its own statistics tell.
fn sessions(node: &Node) -> u64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND client_addr IS NOT NULL";
    node.sql(count).unwrap().trim().parse().unwrap()
}

/// Sessions over TCP without TLS.
fn in_the_clear(node: &Node) -> String {
    let count = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                 WHERE backend_type = 'client backend' AND client_addr IS NOT NULL AND NOT ssl";
    node.sql(count).unwrap().trim().to_owned()
}
