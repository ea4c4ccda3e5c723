//! The least that must hold before anything else is worth testing.

use sea_orm::ConnectionTrait;

use crate::fixture::{builder, cluster, number};

#[tokio::test]
async fn writes_reach_the_primary_and_reads_the_standbys() {
    let cluster = cluster(2);
    let db = builder(&cluster)
        .consistency(sealane::Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    db.execute_unprepared("CREATE TABLE t (id bigint PRIMARY KEY)")
        .await
        .unwrap();
    db.execute_unprepared("INSERT INTO t SELECT generate_series(1, 10)")
        .await
        .unwrap();
    cluster.wait_caught_up().unwrap();
    for _ in 0..20 {
        assert_eq!(number(&db.replica(), "SELECT count(*) FROM t").await, 10);
    }
    println!("{}", db.explain("SELECT count(*) FROM t"));
    let on = |node: &sealane_harness::Node| node.statements_with("SELECT count(*) FROM t").unwrap();
    assert_eq!(on(cluster.primary()), 0);
    assert_eq!(on(cluster.standby(0)) + on(cluster.standby(1)), 20);
}
