//! Which configured nodes are let in (rule T14).

use sea_orm::ConnectionTrait;
use sealane::{Error, Failover, Reason, Role, RoutedConnection};
use sealane_harness::Cluster;

use super::SLOT;
use crate::{
    fixture::{number, sql},
    heard::Heard,
    place::{Slot, until},
};

fn role(db: &RoutedConnection, name: &str) -> Role {
    let topology = db.cluster().topology();
    let node = topology.nodes.iter().find(|node| node.name == name);
    node.unwrap_or_else(|| panic!("{name} in {topology}")).role
}

fn warned(heard: &Heard, name: &str) -> bool {
    heard.warnings().iter().any(|text| text.contains(name))
}

#[tokio::test]
async fn a_configured_primary_in_recovery_is_an_error_that_names_it() {
    let place = SLOT.shared("start_recovery").await;
    let main = format!("{}?name=main", place.url(place.standby(0)));
    let alone = RoutedConnection::builder().primary(main.as_str());
    let err = alone.connect().await.unwrap_err();
    assert!(
        matches!(&err, Error::PrimaryInRecovery { node } if node == "main"),
        "{err}"
    );
    assert!(err.to_string().contains("`main`"), "{err}");

    // Unless another member is the primary: which of them the configuration calls so does not matter.
    let swapped = RoutedConnection::builder()
        .primary(main.as_str())
        .replica(format!("{}?name=other", place.primary_url()))
        .connect()
        .await
        .unwrap();
    assert_eq!(role(&swapped, "other"), Role::Primary);
    assert_eq!(role(&swapped, "main"), Role::Replica);
}

#[tokio::test]
async fn with_roles_as_configured_a_replica_that_is_not_in_recovery_is_fenced_with_a_warning() {
    static OWN: Slot = Slot::new(2);
    let place = OWN.alone("start_promoted").await;
    place.others("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)");
    place.standby(1).promote().unwrap();
    place.on(place.standby(1), "UPDATE t SET n = 2");

    let (heard, _guard) = Heard::listen();
    let as_configured = place.builder().failover(Failover::Off);
    let db = as_configured.connect().await.unwrap();
    assert_eq!(role(&db, "one"), Role::Replica);
    assert_eq!(role(&db, "two"), Role::Fenced);
    until("a warning that names it", async || warned(&heard, "two")).await;
    for _ in 0..20 {
        assert_eq!(number(&db, "SELECT n FROM t").await, 1);
        assert_eq!(number(&db.replica(), "SELECT n FROM t").await, 1);
    }
    assert_eq!(
        place.standby(1).statements_with("SELECT n FROM t").unwrap(),
        0
    );

    // With nothing else configured there is no replica, and the primary serves.
    let only = RoutedConnection::builder()
        .primary(place.primary_url())
        .replica(place.replica_urls().remove(1))
        .consistency(sealane::Consistency::Eventual)
        .failover(Failover::Off)
        .connect()
        .await
        .unwrap();
    assert_eq!(only.explain("SELECT n FROM t").reason, Reason::NoReplica);
    assert_eq!(number(&only, "SELECT n FROM t").await, 1);
    let strict = only.replica();
    let err = strict
        .query_all_raw(sql(&only, "SELECT n FROM t"))
        .await
        .unwrap_err();
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::NoReplica { .. })),
        "{err}"
    );
}

#[tokio::test]
async fn a_replica_of_another_cluster_is_fenced_with_a_warning() {
    let place = SLOT.shared("start_foreign").await;
    let foreign = Cluster::builder()
        .standbys(1)
        .own_identity()
        .start()
        .unwrap();
    foreign.create_database("start_foreign").unwrap();
    let (heard, _guard) = Heard::listen();
    let db = place
        .builder()
        .replica(format!("{}?name=foreign", place.url(foreign.standby(0))))
        .connect()
        .await
        .unwrap();
    assert_eq!(role(&db, "one"), Role::Replica);
    assert_eq!(role(&db, "foreign"), Role::Fenced);
    until("a warning that names it", async || {
        warned(&heard, "foreign")
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&db, "SELECT 20261::bigint").await, 20261);
    }
    // The server's counter writes `$1` for the constant.
    assert_eq!(foreign.standby(0).statements_with("::bigint").unwrap(), 0);
    assert_eq!(
        place
            .standby(0)
            .statements_with("SELECT $1::bigint")
            .unwrap(),
        20
    );
}
