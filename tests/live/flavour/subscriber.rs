//! A real subscriber of logical replication in a replica's place (T18).

use sea_orm::ConnectionTrait;
use sealane::{Builder, Consistency, Flavour, Role, RoutedConnection};
use sealane_harness::Cluster;

use crate::{fixture::number, heard::Heard, place::until};

const COUNT: &str = "SELECT count(*) FROM note";

fn servers() -> [Cluster; 2] {
    let start = || {
        let builder = Cluster::builder()
            .own_identity()
            .setting("wal_level", "logical");
        let cluster = builder.start().unwrap();
        let table = "CREATE TABLE note (id bigint PRIMARY KEY)";
        cluster.primary().sql(table).unwrap();
        cluster
    };
    let [publisher, subscriber] = [start(), start()];
    publisher
        .primary()
        .sql("CREATE PUBLICATION notes FOR TABLE note")
        .unwrap();
    let port = publisher.primary().port();
    let user = "user=postgres dbname=postgres";
    subscriber
        .primary()
        .sql(&format!(
            "CREATE SUBSCRIPTION notes CONNECTION 'host=127.0.0.1 port={port} {user}' PUBLICATION notes"
        ))
        .unwrap();
    [publisher, subscriber]
}

fn builder([publisher, subscriber]: &[Cluster; 2]) -> Builder {
    RoutedConnection::builder()
        .primary(format!("{}?name=publisher", publisher.primary().url()))
        .replicas([format!("{}?name=subscriber", subscriber.primary().url())])
}

#[tokio::test]
async fn a_subscriber_is_shown_as_one_and_never_proves_that_it_has_a_write() {
    let servers = servers();
    let (heard, _guard) = Heard::listen();
    let db = builder(&servers).connect().await.unwrap();
    let node = db.cluster().topology().nodes.remove(1);
    assert_eq!(
        (node.flavour, node.role),
        (Some(Flavour::LogicalSubscriber), Role::Fenced)
    );
    for id in 1..=5 {
        let insert = format!("INSERT INTO note VALUES ({id})");
        db.execute_unprepared(&insert).await.unwrap();
        assert_eq!(number(&db, COUNT).await, id);
    }
    assert!(heard.decisions().iter().all(|one| one.node == "publisher"));
    db.close().await.unwrap();

    // Whoever says so reads there what may miss anything, and nothing else once the process has written.
    let db = builder(&servers)
        .flavour(Flavour::LogicalSubscriber)
        .connect()
        .await
        .unwrap();
    heard.decisions();
    number(&db, COUNT).await;
    assert_eq!(heard.decisions().pop().unwrap().node, "subscriber");
    db.execute_unprepared("INSERT INTO note VALUES (6)")
        .await
        .unwrap();
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 6);
    }
    let eventual = db.with_consistency(Consistency::Eventual);
    heard.decisions();
    until("the row by logical replication", async || {
        number(&eventual, COUNT).await == 6
    })
    .await;
    assert!(heard.decisions().iter().all(|one| one.node == "subscriber"));
    db.close().await.unwrap();
}

/// Whoever ends its subscription for a while ends nothing of what it is.
#[tokio::test]
async fn a_subscriber_whose_subscription_is_disabled_is_one_still() {
    let servers = servers();
    let db = builder(&servers)
        .flavour(Flavour::LogicalSubscriber)
        .check_interval(std::time::Duration::from_millis(50))
        .connect()
        .await
        .unwrap();
    let asked = || {
        let checks = servers[1].primary().statements_with("pg_subscription");
        checks.unwrap()
    };
    for change in ["DISABLE", "ENABLE"] {
        let subscription = format!("ALTER SUBSCRIPTION notes {change}");
        servers[1].primary().sql(&subscription).unwrap();
        let before = asked();
        until("some checks", async || asked() > before + 3).await;
        let nodes = db.cluster().topology().nodes;
        let roles: Vec<Role> = nodes.iter().map(|node| node.role).collect();
        assert_eq!(roles, [Role::Primary, Role::Replica], "{change}");
    }
    db.close().await.unwrap();
}
