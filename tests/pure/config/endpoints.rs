//! Where a cluster is, as telemetry says it: no user, no password, no parameter.

use crate::{Builder, RoutedConnection};

fn said(builder: Builder) -> (Option<String>, Option<u16>, Option<String>) {
    let endpoints = builder.build().unwrap().endpoints();
    let text = |value: Option<std::sync::Arc<str>>| value.map(|text| text.to_string());
    (
        text(endpoints.address),
        endpoints.port,
        text(endpoints.namespace),
    )
}

#[test]
fn all_hosts_are_named_once_and_a_port_that_is_the_same_for_all() {
    let text = |text: &str| Some(text.to_owned());
    let primary = "postgres://s3cret:s3cret@db-1/shop";
    for (replicas, address, port) in [
        (vec![], "db-1", None),
        (vec!["db-2", "db-3"], "db-1,db-2,db-3", None),
        (vec!["db-1:6000"], "db-1", None),
    ] {
        let builder = RoutedConnection::builder()
            .primary(primary)
            .replicas(replicas);
        assert_eq!(said(builder), (text(address), port, text("shop")));
    }
    let builder = RoutedConnection::builder().primary("postgres://db-1:6000/shop");
    let builder = builder.replicas(["postgres://[::1]:6000/shop"]);
    assert_eq!(said(builder), (text("db-1,::1"), Some(6000), text("shop")));
}

#[test]
fn a_namespace_is_the_database_and_the_schema_that_the_url_sets() {
    for (url, namespace) in [
        (
            "postgres://db-1/shop?options=-c%20search_path%3Dsales,public",
            Some("shop|sales"),
        ),
        ("postgres://db-1/shop", Some("shop")),
        // The user's name would be taken for the database's, and may be a forgotten secret.
        ("postgres://s3cret@db-1", None),
        ("sqlite:///var/lib/shop.db?mode=rwc", Some("shop.db")),
        ("sqlite::memory:", Some("memory")),
    ] {
        let (.., said) = said(RoutedConnection::builder().primary(url));
        assert_eq!(said.as_deref(), namespace, "{url}");
    }
    let (address, port, _) = said(RoutedConnection::builder().primary("sqlite::memory:"));
    assert_eq!((address, port), (None, None));
}

#[cfg(feature = "dns")]
#[test]
fn a_name_that_is_looked_up_stands_for_its_addresses() {
    let discovery = "dns=db.example.com@127.0.0.1:8600".parse().unwrap();
    let builder = RoutedConnection::builder()
        .primary("postgres://db-1/shop")
        .discovery(discovery);
    assert_eq!(said(builder).0.as_deref(), Some("db.example.com"));
}
