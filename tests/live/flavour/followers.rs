//! Reads that a follower may serve, on a server that has YugabyteDB's settings for them (T18).

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::{Builder, Consistency, RoutedConnection};
use sealane_harness::Cluster;

use super::dress::{COCKROACH, YUGABYTE, nodes};
use crate::{
    fixture::{number, sql},
    heard::Heard,
};

/// How old a read may be, as its transaction sees it; 0 where no follower may serve it.
const AGE: &str = "SELECT age_of_reads()";

/// Names of one part are the server's own, and this one has not those.
fn dress(cluster: &Cluster) {
    let node = cluster.primary();
    node.sql(
        "ALTER FUNCTION pg_catalog.set_config(text, text, boolean) RENAME TO hidden_set_config; \
         CREATE FUNCTION pg_catalog.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ \
         SELECT pg_catalog.hidden_set_config(CASE WHEN $1 LIKE 'yb\\_%' THEN 'yb.' || $1 ELSE $1 END, $2, $3) $$; \
         CREATE FUNCTION age_of_reads() RETURNS bigint LANGUAGE sql STABLE AS $$ \
         SELECT CASE WHEN current_setting('transaction_read_only') = 'on' \
         AND current_setting('yb.yb_read_from_followers', true) = 'on' \
         THEN COALESCE(NULLIF(current_setting('yb.yb_follower_read_staleness_ms', true), ''), '30000')::bigint \
         ELSE 0 END $$",
    )
    .unwrap();
}

fn builder(nodes: &[Cluster], called: &str) -> Builder {
    let url = |at: usize| nodes[at].primary().url();
    RoutedConnection::builder()
        .primary(url(0))
        .replicas((1..nodes.len()).map(url))
        .read_functions(["age_of_reads"])
        .cluster_name(called)
}

#[tokio::test]
async fn only_what_may_miss_anything_is_served_by_followers_and_none_older_than_allowed() {
    let nodes = nodes(2, YUGABYTE);
    nodes.iter().for_each(dress);
    let db = builder(&nodes, "followers").connect().await.unwrap();
    let eventual = db.with_consistency(Consistency::Eventual);
    // On both nodes, and by the same connections in turn.
    for _ in 0..10 {
        assert_eq!(number(&eventual, AGE).await, 10_000, "SEALANE_MAX_LAG");
        assert_eq!(number(&db, AGE).await, 0);
        assert_eq!(number(&eventual.primary(), AGE).await, 0);
        let newer = eventual.with_max_lag(Duration::from_secs(1));
        assert_eq!(number(&newer, AGE).await, 0);
    }
    let txn = eventual.begin().await.unwrap();
    assert_eq!(number(&txn, AGE).await, 0);
    txn.commit().await.unwrap();
    eventual
        .execute_unprepared("INSERT INTO note VALUES (1)")
        .await
        .unwrap();
    #[cfg(feature = "stream")]
    {
        use futures_util::TryStreamExt;
        use sea_orm::StreamTrait;
        let rows = eventual.stream_raw(sql(&db, AGE)).await.unwrap();
        let rows: Vec<_> = rows.try_collect().await.unwrap();
        assert_eq!(rows[0].try_get_by_index::<i64>(0).unwrap(), 10_000);
    }
    db.close().await.unwrap();

    let db = builder(&nodes, "any-age")
        .max_lag(Duration::ZERO)
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    assert_eq!(number(&db, AGE).await, 30_000);
    db.close().await.unwrap();
}

/// PostgreSQL's grammar has no such BEGIN: as of a version, or a licence, that has no follower reads.
#[tokio::test]
async fn where_a_read_cannot_begin_so_it_runs_as_any_other() {
    let nodes = nodes(2, COCKROACH);
    let db = builder(&nodes, "no-followers")
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    for _ in 0..10 {
        assert_eq!(number(&db, "SELECT count(*) FROM note").await, 0);
    }
    let row = db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap();
    assert!(row.is_some());
    db.close().await.unwrap();
}

/// A version or a licence that is another one on one node, or by now: the trial at the start has shown that they can begin.
#[tokio::test]
async fn where_one_server_refuses_them_later_reads_run_there_as_any_other() {
    let nodes = nodes(2, YUGABYTE);
    nodes.iter().for_each(dress);
    let db = builder(&nodes, "refused-followers")
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    assert_eq!(number(&db, AGE).await, 10_000);
    for (refusing, code) in [(0, "0A000"), (1, "22023")] {
        let refuse = format!(
            "CREATE OR REPLACE FUNCTION pg_catalog.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ \
             BEGIN IF $1 LIKE 'yb\\_%' THEN RAISE EXCEPTION SQLSTATE '{code}'; END IF; \
             RETURN pg_catalog.hidden_set_config($1, $2, $3); END $$"
        );
        nodes[refusing].primary().sql(&refuse).unwrap();
    }
    for _ in 0..100 {
        assert_eq!(number(&db, AGE).await, 0);
    }
    #[cfg(feature = "stream")]
    for _ in 0..10 {
        use futures_util::TryStreamExt;
        use sea_orm::StreamTrait;
        let rows: Vec<_> = db
            .stream_raw(sql(&db, AGE))
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(rows[0].try_get_by_index::<i64>(0).unwrap(), 0);
    }
    db.close().await.unwrap();
}

/// A read that fails by itself was not refused, and is not sent again.
#[cfg(feature = "stream")]
#[tokio::test]
async fn a_stream_whose_read_fails_is_sent_once() {
    use futures_util::TryStreamExt;
    use sea_orm::StreamTrait;

    let nodes = nodes(2, YUGABYTE);
    nodes.iter().for_each(dress);
    let db = builder(&nodes, "failing-followers")
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    let (heard, _guard) = Heard::listen();
    for failing in [
        "SELECT 1 / (count(*) - count(*)) FROM note",
        "SELECT count(*) FROM note HAVING pg_terminate_backend(pg_backend_pid())",
    ] {
        heard.decisions();
        let rows = async {
            let rows = db.stream_raw(sql(&db, failing)).await?;
            rows.try_collect::<Vec<_>>().await
        };
        rows.await.unwrap_err();
        assert_eq!(heard.decisions().len(), 1, "{failing}");
    }
    db.close().await.unwrap();
}

/// The setting acts in transactions that only read: the read-only default would make one of every read.
#[tokio::test]
async fn no_fresh_read_is_served_by_a_follower_where_the_role_asks_for_them() {
    let nodes = nodes(2, YUGABYTE);
    nodes.iter().for_each(dress);
    for node in &nodes {
        let asks = "ALTER DATABASE postgres SET yb.yb_read_from_followers = 'on'";
        node.primary().sql(asks).unwrap();
    }
    let db = builder(&nodes, "asking-role").connect().await.unwrap();
    for _ in 0..20 {
        assert_eq!(number(&db, AGE).await, 0);
    }
    db.close().await.unwrap();
}
