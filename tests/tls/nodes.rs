//! Nodes whose certificates different authorities have signed.

use sea_orm::{ConnectOptions, ConnectionTrait};
use sealane::{Consistency, Discovery, Role, RoutedConnection};
use sealane_harness::{Authority, Cluster, Dns, Stop, TlsClients};

use super::{
    in_the_clear, insert, number, servers, sessions, shown, until, until_roles, url, verified_by,
};

/// Pools, probes, positions, `concrete()` and a promotion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_is_verified_by_its_own_authority_on_every_connection() {
    let [one, two] = ["one", "two"].map(|name| Authority::new(name).unwrap());
    let cluster = servers(&[&one, &two], TlsClients::Any);
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    let db = RoutedConnection::builder()
        .primary(url(primary, &verified_by(&one)))
        .replicas([url(standby, &verified_by(&two))])
        .connect()
        .await
        .unwrap();
    until_roles(&db, 1).await;
    insert(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM t").await, 1);
    let replica = db.with_consistency(Consistency::Eventual);
    until("the replica has it", async || {
        number(&replica, "SELECT count(*) FROM t").await == 1
    })
    .await;
    let concrete = db.concrete();
    concrete
        .execute_unprepared("INSERT INTO t VALUES (2)")
        .await
        .unwrap();
    for node in [primary, standby] {
        assert!(sessions(node) > 0);
        assert_eq!(in_the_clear(node), "0");
    }

    primary.stop(Stop::Fast).unwrap();
    let promoted = standby.clone();
    tokio::task::spawn_blocking(move || promoted.promote().unwrap())
        .await
        .unwrap();
    insert(&db).await;
    assert_eq!(in_the_clear(standby), "0");
}

/// With one authority for both the replica's is unknown; it serves nothing, and reads are served all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_authority_is_unknown_serves_nothing() {
    let [one, two] = ["one", "two"].map(|name| Authority::new(name).unwrap());
    let cluster = servers(&[&one, &two], TlsClients::Any);
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    // What the replica's item leaves out is the primary's.
    let db = RoutedConnection::builder()
        .primary(url(primary, &verified_by(&one)))
        .replicas([format!("localhost:{}", standby.port())])
        .connect()
        .await
        .unwrap();
    insert(&db).await;
    let eventual = db.with_consistency(Consistency::Eventual);
    assert_eq!(number(&eventual, "SELECT count(*) FROM t").await, 1);
    assert_eq!(sessions(standby), 0);

    // The other way round there is no primary to start with.
    let start = RoutedConnection::builder()
        .primary(url(primary, &verified_by(&two)))
        .replicas([url(standby, &verified_by(&two))])
        .connect();
    let err = start.await.unwrap_err().to_string();
    assert!(
        err.contains("certificate") && err.contains("sslmode"),
        "{err}"
    );
}

/// Names are verified where `verify-full` asks for it, and only there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_refused_by_verify_full_alone() {
    let one = Authority::new("one").unwrap();
    let cluster = servers(&[&one], TlsClients::Any);
    let other = one.sign(&["elsewhere.example"]).unwrap();
    let primary = cluster.primary();
    primary.serve_tls(&other, &one, TlsClients::Any).unwrap();
    until("the other certificate", async || {
        let full = url(primary, &verified_by(&one));
        let start = RoutedConnection::builder().primary(full).connect().await;
        start.is_err_and(|err| err.to_string().contains("is for other names"))
    })
    .await;
    let by_authority = verified_by(&one).replace("verify-full", "verify-ca");
    let db = RoutedConnection::builder()
        .primary(url(primary, &by_authority))
        .connect()
        .await
        .unwrap();
    insert(&db).await;
}

/// Clients' certificates: one user of each server's authority; and SeaORM's own options with a node's files on top.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_is_shown_its_own_certificate() {
    let [one, two] = ["one", "two"].map(|name| Authority::new(name).unwrap());
    let cluster = servers(&[&one, &two], TlsClients::Certified);
    let urls = [&one, &two].map(|authority| {
        let client = authority.sign(&["postgres"]).unwrap();
        format!("{}&{}", verified_by(authority), shown(&client))
    });
    let (primary, standby) = (
        url(cluster.primary(), &urls[0]),
        url(cluster.standby(0), &urls[1]),
    );
    let plain = RoutedConnection::builder().primary(primary.clone());
    let mut options = ConnectOptions::new(primary.clone());
    options.map_sqlx_postgres_opts(|options| options.application_name("ours"));
    let templated = RoutedConnection::builder().connect_options(options);
    for builder in [plain, templated] {
        let db = builder.replicas([standby.clone()]).connect().await.unwrap();
        until_roles(&db, 1).await;
        insert(&db).await;
        assert!(number(&db, "SELECT count(*) FROM t").await > 0);
        db.close().await.unwrap();
    }

    // Without one, or with one of the other authority, nobody comes in.
    for parameters in [
        verified_by(&one),
        format!("{}&{}", verified_by(&one), {
            let stranger = two.sign(&["postgres"]).unwrap();
            shown(&stranger)
        }),
    ] {
        let start = RoutedConnection::builder().primary(url(cluster.primary(), &parameters));
        let err = start.connect().await.unwrap_err().to_string();
        assert!(err.contains("`sslcert`"), "{err}");
    }
}

/// Nodes that DNS names are verified like the configured one: by the address where they are connected to by address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_dns_names_are_verified_by_their_addresses() {
    let one = Authority::new("one").unwrap();
    let cluster: Cluster = servers(&[&one, &one, &one], TlsClients::Any);
    for node in &cluster.nodes()[..2] {
        let certified = one.sign(&["127.0.0.1", "localhost"]).unwrap();
        node.serve_tls(&certified, &one, TlsClients::Any).unwrap();
    }
    let mut dns = Dns::start().unwrap();
    let targets: Vec<_> = cluster
        .nodes()
        .iter()
        .map(|node| (node.name().to_owned(), node.port(), 1))
        .collect();
    let targets: Vec<_> = targets
        .iter()
        .map(|(name, port, weight)| (name.as_str(), *port, *weight))
        .collect();
    dns.service("_pg._tcp.test", &targets).unwrap();
    let asked = Discovery::Dns(format!("_pg._tcp.test@{}", dns.addr()));
    let db = RoutedConnection::builder()
        .primary(url(cluster.primary(), &verified_by(&one)))
        .discovery(asked)
        .connect()
        .await
        .unwrap();
    // The third one has no certificate for its address.
    until_roles(&db, 1).await;
    insert(&db).await;
    assert_eq!(number(&db, "SELECT count(*) FROM t").await, 1);
    assert_eq!(sessions(cluster.standby(1)), 0);
    let nodes = db.cluster().topology().nodes;
    assert_eq!(nodes.len(), 3);
    assert!(nodes.iter().any(|node| node.role == Role::Unknown));
}
