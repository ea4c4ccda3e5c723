//! A role whose transactions are serializable by default: a standby refuses every statement of it.

use sealane::{NodeConfig, Reason, RoutedConnection};

use crate::{
    fixture::{self, number},
    heard::Heard,
    place::until,
};

const COUNT: &str = "SELECT count(*) FROM t";

#[tokio::test]
async fn a_replica_that_refuses_serializable_transactions_says_so_and_fails_no_read() {
    let cluster = fixture::cluster(1);
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    primary
        .sql(
            "CREATE TABLE t (n bigint); CREATE ROLE strict LOGIN; GRANT ALL ON t TO strict, PUBLIC; \
             ALTER ROLE strict SET default_transaction_isolation = 'serializable'",
        )
        .unwrap();
    cluster.wait_caught_up().unwrap();
    let strict = |url: String| url.replace("postgres@", "strict@");
    let replica = format!("{}?name=one", strict(standby.url()));
    let (heard, _listening) = Heard::listen();
    let told = || {
        let warnings = heard.warnings().into_iter();
        let told = warnings.filter(|line| line.contains("ALTER ROLE") && line.contains("node=one"));
        told.count()
    };
    let db = RoutedConnection::builder()
        .primary(strict(primary.url()))
        .replica(&replica)
        .check_interval(std::time::Duration::from_millis(50))
        .connect()
        .await
        .unwrap();
    assert_eq!(told(), 1, "{:#?}", heard.warnings());
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 0);
    }
    assert_eq!(db.explain(COUNT).reason, Reason::NoReplica);

    // The replica's URL can say it better, and then the replica serves.
    let node = |url: &str| NodeConfig::replica(url).unwrap();
    let first = || NodeConfig::primary(strict(primary.url())).unwrap();
    let lower = format!("{replica}&options[default_transaction_isolation]=repeatable%20read");
    let nodes = [first(), node(&lower)];
    db.cluster().replace_nodes(nodes).await.unwrap();
    until("the replica", async || {
        number(&db, COUNT).await;
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    assert_eq!(number(&db.replica(), COUNT).await, 0);

    // One that joins is told as well.
    let nodes = [first(), node(&replica)];
    db.cluster().replace_nodes(nodes).await.unwrap();
    until("the warning", async || {
        number(&db, COUNT).await;
        told() == 2
    })
    .await;
    assert_eq!(db.explain(COUNT).reason, Reason::NoReplica);
    let ejected = heard.warnings().into_iter();
    let ejected: Vec<_> = ejected.filter(|line| line.contains("ejected")).collect();
    assert!(ejected.is_empty(), "{ejected:#?}");
}
