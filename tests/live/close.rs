//! A closed handle leaves no connection behind.

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::RoutedConnection;

use crate::{fixture, fixture::number, place::until};

/// `DROP DATABASE` refuses while anybody is connected.
#[tokio::test]
async fn a_database_can_be_dropped_after_its_handle_was_closed() {
    let cluster = fixture::cluster(1);
    let primary = cluster.primary();
    cluster.create_database("closing").unwrap();
    cluster.wait_caught_up().unwrap();
    let db = RoutedConnection::builder()
        .primary(primary.url_of("closing"))
        .replica(cluster.standby(0).url_of("closing"))
        .connect()
        .await
        .unwrap();
    db.execute_unprepared("CREATE TABLE t (n bigint)")
        .await
        .unwrap();
    db.begin().await.unwrap().commit().await.unwrap();
    // Captures and samples have connections of their own.
    until("a read on the replica", async || {
        number(&db, "SELECT count(*) FROM t").await == 0
            && db.explain("SELECT count(*) FROM t").reason == sealane::Reason::Replica
    })
    .await;
    db.concrete().ping().await.unwrap();
    db.close_by_ref().await.unwrap();
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'closing'";
    for node in [primary, cluster.standby(0)] {
        until("every connection to be closed", async || {
            node.sql(connected).unwrap().trim() == "0"
        })
        .await;
    }
    primary.sql("DROP DATABASE closing").unwrap();
    drop(db);
}
