//! Names that a DNS server of the test's own tells.

use std::net::Ipv4Addr;

use sealane::{Consistency, Discovery, Role, RoutedConnection};
use sealane_harness::{Cluster, Dns, Forwarder, Node};

use super::{Load, client, insert, servers, until_list};
use crate::place::until;

/// Each server at the same port of an address of its own, as the servers behind one name are.
struct Addresses {
    ips: Vec<Ipv4Addr>,
    ways: Vec<Forwarder>,
}

impl Addresses {
    fn of(cluster: &Cluster) -> Self {
        let mut all = Self {
            ips: Vec::new(),
            ways: Vec::new(),
        };
        for (node, last) in cluster.nodes().iter().zip(1..) {
            let ip = Ipv4Addr::new(127, 0, 0, last);
            let way = match all.ways.first() {
                Some(first) => first.beside(ip, node.addr()),
                None => Forwarder::to(node.addr()),
            };
            all.ways.push(way.unwrap());
            all.ips.push(ip);
        }
        all
    }

    /// A URL of a host that only the DNS server knows.
    fn url(&self, node: &Node, host: &str) -> String {
        let (address, port) = (self.ways[0].addr().to_string(), self.ways[0].addr().port());
        let url = node.url_at(self.ways[0].addr(), "postgres");
        url.replace(&address, &format!("{host}:{port}"))
    }
}

fn roles(db: &RoutedConnection) -> Vec<Role> {
    let nodes = db.cluster().topology().nodes;
    nodes.into_iter().map(|node| node.role).collect()
}

async fn until_servers(db: &RoutedConnection, count: usize) {
    until(&format!("{count} nodes"), async || {
        let roles = roles(db);
        let primaries = roles.iter().filter(|role| **role == Role::Primary);
        let replicas = roles.iter().filter(|role| **role == Role::Replica);
        primaries.count() == 1 && replicas.count() == count - 1
    })
    .await;
}

/// Rules T12, R4: a list that changes takes no statement with it, and no answer is no change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_addresses_of_a_name_are_the_nodes_under_load() {
    let cluster = servers();
    let (addresses, mut dns) = (Addresses::of(&cluster), Dns::start().unwrap());
    let ips = &addresses.ips;
    dns.host("db.test", &ips[..2]).unwrap();
    let configured = addresses.url(cluster.primary(), "db.test");
    let db = client(configured, Discovery::Dns(format!("@{}", dns.addr())))
        .connect()
        .await
        .unwrap();
    until_servers(&db, 2).await;
    let load = Load::on(&db);
    dns.host("db.test", ips).unwrap();
    until_servers(&db, 3).await;
    dns.stop();
    load.goes_on().await;
    assert_eq!(roles(&db).len(), 3);
    dns.host("other.test", ips).unwrap();
    load.goes_on().await;
    assert_eq!(roles(&db).len(), 3);
    dns.host("db.test", &[ips[0], ips[2]]).unwrap();
    until_servers(&db, 2).await;
    until("no connection to the address that is gone", async || {
        addresses.ways[1].open() == 0
    })
    .await;
    load.end().await;
}

/// Rules C6, T3: the old primary lives on, but the name leads to another server now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_takes_the_writes_along() {
    let cluster = servers();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let (addresses, mut dns) = (Addresses::of(&cluster), Dns::start().unwrap());
    dns.host("db.test", &addresses.ips[..1]).unwrap();
    let configured = addresses.url(old, "db.test");
    let db = client(
        configured,
        Discovery::Dns(format!("db.test@{}", dns.addr())),
    )
    .connect()
    .await
    .unwrap();
    insert(&db).await;
    new.wait_caught_up_with(old).unwrap();
    new.promote().unwrap();
    dns.host("db.test", &addresses.ips[1..2]).unwrap();
    until("no connection to the old address", async || {
        addresses.ways[0].open() == 0
    })
    .await;
    let rows = || old.sql("SELECT count(*) FROM t").unwrap();
    let before = rows();
    insert(&db).await;
    assert_eq!(new.sql("SELECT count(*) FROM t").unwrap(), "2");
    assert_eq!(rows(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_targets_of_a_service_are_nodes_with_its_weights() {
    let cluster = servers();
    let (first, second, third) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let mut dns = Dns::start().unwrap();
    let target = |node: &Node| format!("{}.test", node.name());
    let targets = [first, second, third].map(|node| (target(node), node.port()));
    let told = |weights: &[u16]| -> Vec<(&str, u16, u16)> {
        let told = targets.iter().zip(weights);
        told.map(|((name, port), weight)| (name.as_str(), *port, *weight))
            .collect()
    };
    dns.service("_db._tcp.test", &told(&[1, 1])).unwrap();
    let asked = format!("_db._tcp.test@{}", dns.addr());
    // What is configured only says how to connect: it is a standby.
    let db = client(second.url(), Discovery::Dns(asked))
        // Who serves reads is a matter of shares alone.
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    until_list(&db, first, &[second]).await;
    insert(&db).await;
    cluster.wait_caught_up().unwrap();
    let load = Load::on(&db);
    dns.service("_db._tcp.test", &told(&[1, 0, 3])).unwrap();
    until_list(&db, first, &[second, third]).await;
    until("the second to have no share", async || {
        let topology = db.cluster().topology();
        let mut nodes = topology.nodes.iter();
        let second = nodes.find(|node| node.name == second.name());
        second.is_some_and(|node| node.ineligible == Some(sealane::Ineligible::NoWeight))
    })
    .await;
    // What was decided before that is over.
    load.goes_on().await;
    second.reset_statements().unwrap();
    third.reset_statements().unwrap();
    until("reads on the third", async || {
        third.statements_with("FROM t").unwrap() > 100
    })
    .await;
    load.end().await;
    assert_eq!(second.statements_with("FROM t").unwrap(), 0);
}
