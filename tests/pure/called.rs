//! What nodes are called where nobody named them: by their servers.

use crate::{
    NodeConfig,
    cluster::called::{Called, names},
};

fn called(urls: &[&str]) -> Vec<String> {
    let nodes: Vec<Called> = urls
        .iter()
        .map(|url| NodeConfig::replica(url).unwrap())
        .map(|node| match node.name {
            Some(name) => Called::Named(name),
            None => Called::ByServer(node.url.called()),
        })
        .collect();
    names(&nodes)
}

#[test]
fn a_node_is_called_by_its_server() {
    for (url, name) in [
        ("postgres://app:pw@db-1/shop", "db-1"),
        (
            "postgres://app:pw@DB-1.example.com.:5432/shop",
            "db-1.example.com",
        ),
        ("postgres://app:pw@db-1:5433/shop", "db-1:5433"),
        ("postgres://app:pw@[2001:DB8::1]/shop", "[2001:db8::1]"),
        ("postgres://app:pw@[::1]:5433/shop", "[::1]:5433"),
        ("postgres:///shop?host=2001:db8::1", "[2001:db8::1]"),
        ("postgres:///shop", "localhost"),
        ("postgres://%2Frun%2Fpostgresql/shop", "/run/postgresql"),
        (
            "postgres:///shop?host=/run/postgresql/&port=5433",
            "/run/postgresql:5433",
        ),
        ("postgres://app:pw@db-1/shop?name=main", "main"),
        ("sqlite://data/shop.db?mode=rwc", "shop.db"),
        ("sqlite:///var/lib/my%20shop.db", "my shop.db"),
        ("sqlite:shop.db", "shop.db"),
        ("sqlite::memory:", "memory"),
        ("sqlite://shop?mode=memory", "memory"),
    ] {
        assert_eq!(called(&[url]), [name], "{url}");
    }
}

#[cfg(feature = "mysql")]
#[test]
fn the_usual_port_is_the_backends_own() {
    for (url, name) in [
        ("mysql://app:pw@db-1:3306/shop", "db-1"),
        ("mysql://app:pw@db-1:5432/shop", "db-1:5432"),
        (
            "mysql://app:pw@localhost/shop?socket=/run/mysqld.sock",
            "/run/mysqld.sock",
        ),
    ] {
        assert_eq!(called(&[url]), [name], "{url}");
    }
}

/// Whatever the order of the list is, and whoever else is in it.
#[test]
fn two_that_would_be_called_alike_are_told_apart() {
    let [shop, blog] = ["postgres://app@db-1/shop", "postgres://app@db-1/blog"];
    assert_eq!(called(&[shop, blog]), ["db-1:5432/shop", "db-1:5432/blog"]);
    assert_eq!(called(&[blog, shop]), ["db-1:5432/blog", "db-1:5432/shop"]);

    // A name that was given is no other node's.
    let named = "postgres://app@db-9/shop?name=db-1";
    assert_eq!(called(&[shop, named]), ["db-1:5432", "db-1"]);
    assert_eq!(called(&[named, shop]), ["db-1", "db-1:5432"]);

    // Without a database both mean their user's, which is nobody's business.
    let none = ["postgres://one@db-1", "postgres://two@db-1", shop];
    assert_eq!(called(&none), ["db-1", "db-1#2", "db-1:5432/shop"]);
    let files = ["sqlite://a/shop.db", "sqlite://b/shop.db"];
    assert_eq!(called(&files), ["a/shop.db", "b/shop.db"]);
}

#[test]
fn a_name_holds_nothing_that_could_be_a_password() {
    for url in [
        "sqlite://user@hunter2@shop.db",
        "sqlite://shop.db?password=hunter2",
        "postgres://app:hunter2@db-1/shop",
        "postgres://db-1/shop?password=hunter2",
    ] {
        if let Ok(node) = NodeConfig::replica(url) {
            let names = node.url.called();
            assert!(
                names.iter().all(|name| !name.contains("hunter2")),
                "{names:?}"
            );
        }
    }
}
