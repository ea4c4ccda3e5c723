//! Where discovered nodes may be (`SEALANE_DISCOVERY_HOSTS`, rule T12).

use std::{fs, net::TcpListener};

use sealane::Discovery;
use sealane_harness::Node;

use super::{MS, client, insert, roles, servers, until_list};
use crate::place::until;

/// Whoever can write the list would be sent the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_connects_to_a_node_that_is_where_none_may_be() {
    let cluster = servers();
    let (first, second) = (cluster.primary(), cluster.standby(0));
    // It takes a connection and says nothing.
    let stranger = TcpListener::bind("127.0.0.2:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.json");
    let list = |nodes: &[(&str, String)]| {
        let nodes: Vec<String> = nodes
            .iter()
            .map(|(name, host)| format!(r#"{{"name": "{name}", "host": "{host}"}}"#))
            .collect();
        let half = path.with_extension("half");
        fs::write(&half, format!(r#"{{"nodes": [{}]}}"#, nodes.join(", "))).unwrap();
        fs::rename(&half, &path).unwrap();
    };
    let of = |node: &Node| format!("127.0.0.1:{}", node.port());
    let there = stranger.local_addr().unwrap().to_string();
    let (one, two) = ((first.name(), of(first)), (second.name(), of(second)));
    list(&[one.clone(), ("stranger", there.clone())]);
    let from = || client(first.url(), Discovery::File(path.clone()));
    let db = from()
        .discovery_hosts(["127.0.0.1"])
        .connect()
        .await
        .unwrap();
    insert(&db).await;
    assert_eq!(roles(&db).len(), 1);
    list(&[one, ("stranger", there), two]);
    until_list(&db, first, &[second]).await;
    insert(&db).await;
    assert!(stranger.accept().is_err(), "nobody came there");
    db.close().await.unwrap();

    // Where nothing is said, whoever writes the list is believed.
    let db = from().check_timeout(100 * MS).connect().await.unwrap();
    until("the stranger to be asked", async || {
        stranger.accept().is_ok()
    })
    .await;
    drop(db);
}
