//! The names lead to another cluster from one moment to the next: blue and green, or a restore into a new one (rule T5).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};
use sealane_harness::Forwarder;

use super::cluster;
use crate::{fixture::number, place::until};

const COUNT: &str = "SELECT count(*) FROM t";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_behind_the_names_is_used_only_once_it_is_accepted() {
    let (blue, green) = (cluster(), cluster());
    let names = [blue.primary(), blue.standby(0)].map(|node| Forwarder::to(node.addr()).unwrap());
    let url = |at: usize| blue.primary().url_at(names[at].addr(), "postgres");
    let db = RoutedConnection::builder()
        .primary(format!("{}?name=writer", url(0)))
        .replicas([format!("{}?name=reader", url(1))])
        .check_interval(Duration::from_millis(100))
        .failover_timeout(Duration::from_millis(500))
        .connect()
        .await
        .unwrap();
    let insert = async |n: i64| {
        let sql = format!("INSERT INTO t VALUES ({n})");
        db.execute_unprepared(&sql).await.map(drop)
    };
    insert(1).await.unwrap();
    green
        .primary()
        .sql("INSERT INTO t SELECT generate_series(1, 5)")
        .unwrap();
    for (name, node) in names.iter().zip([green.primary(), green.standby(0)]) {
        name.redirect(node.addr());
        name.disconnect();
    }
    let mut said = String::new();
    for n in 2..4 {
        match insert(n).await {
            Ok(()) => panic!("{n} was written"),
            Err(err) => said = err.to_string(),
        }
        let eventual = db.with_consistency(Consistency::Eventual);
        if let Ok(row) = eventual
            .query_one_raw(crate::fixture::sql(&db, COUNT))
            .await
        {
            let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
            assert_eq!(count, 1, "what another cluster holds");
        }
    }
    let call = r#"cluster().force_primary("writer")"#;
    assert!(said.contains(call), "{said}");
    assert_eq!(green.primary().sql(COUNT).unwrap().trim(), "5");

    db.cluster().force_primary("writer").await.unwrap();
    until("writes", async || insert(9).await.is_ok()).await;
    assert_eq!(number(&db, COUNT).await, 6);
    until("the reader to serve", async || {
        let eventual = db.with_consistency(Consistency::Eventual);
        let before = green.standby(0).sql("SELECT 1").is_ok();
        before && number(&eventual, COUNT).await == 6
    })
    .await;
}
