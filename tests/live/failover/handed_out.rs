//! What was handed out of a primary's pool when another one takes over: nothing of it is stored there (rule C7).

use sea_orm::{
    ConnectionTrait, TransactionTrait,
    sqlx::{self, Connection, PgPool, postgres::PgPoolOptions},
};
use sealane::{Builder, ClusterSignal, Role, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node};

use super::{MS, cluster, connect, insert, promote, rows, until_role};
use crate::place::until;

const LONG: &str = "INSERT INTO t SELECT 4 FROM pg_sleep(4)";

/// Whatever the application opened itself.
async fn own_pool(node: &Node) -> PgPool {
    let options = PgPoolOptions::new().min_connections(4).max_connections(4);
    options.connect(&node.url()).await.unwrap()
}

/// A process has written to the new primary, so that it knows.
async fn fail_over(cluster: &Cluster, db: &RoutedConnection) {
    let new = cluster.standby(0);
    promote(new).await;
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(db, new, Role::Primary).await;
    insert(db, 100).await.unwrap();
    assert_eq!(rows(new, 100), 1);
}

/// A transaction and a long statement of SeaORM's own connection, a connection and a transaction of its pool; and beside
/// them what the application opened without us, to the same server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_what_was_handed_out_is_stored_on_a_primary_that_was_fenced_meanwhile() {
    let cluster = cluster();
    let db = connect(&cluster, 50 * MS).await;
    let old = cluster.primary();
    let own = own_pool(old).await;
    let mut own_txn = own.begin().await.unwrap();
    let own_insert = "INSERT INTO t VALUES (10)";
    sqlx::raw_sql(own_insert)
        .execute(&mut *own_txn)
        .await
        .unwrap();

    let txn = db.concrete().begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let pool = db.get_postgres_connection_pool();
    let mut raw_txn = pool.begin().await.unwrap();
    let insert = sqlx::raw_sql("INSERT INTO t VALUES (2)");
    insert.execute(&mut *raw_txn).await.unwrap();
    let mut raw = pool.acquire().await.unwrap();
    raw.ping().await.unwrap();
    let long = tokio::spawn({
        let db = db.clone();
        async move { db.concrete().execute_unprepared(LONG).await }
    });
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'INSERT%pg_sleep%'";
    let is_running = || old.sql(running).unwrap().trim() != "0";
    until("the long statement to run", async || is_running()).await;

    fail_over(&cluster, &db).await;

    assert!(
        txn.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .is_err()
    );
    txn.commit().await.unwrap_err();
    raw_txn.commit().await.unwrap_err();
    let late = sqlx::raw_sql("INSERT INTO t VALUES (3)");
    late.execute(&mut *raw).await.unwrap_err();
    long.await.unwrap().unwrap_err();
    until("the end of the long statement", async || !is_running()).await;
    for n in 1..=4 {
        assert_eq!(rows(old, n), 0, "row {n} on the old primary");
    }

    // The application's own connections are its own affair.
    sqlx::raw_sql(own_insert)
        .execute(&mut *own_txn)
        .await
        .unwrap();
    own_txn.commit().await.unwrap();
    assert_eq!((rows(old, 10), own.size()), (2, 4));
    // And the next one that is asked for is the new primary's.
    let sql = "INSERT INTO t VALUES (5)";
    db.concrete().execute_unprepared(sql).await.unwrap();
    assert_eq!((rows(old, 5), rows(cluster.standby(0), 5)), (0, 1));
}

/// A handle whose way to the primary is this one.
fn behind(cluster: &Cluster, url: &str) -> Builder {
    let named = |node: &Node| format!("{}?name={}", node.url(), node.name());
    RoutedConnection::builder()
        .primary(format!("{url}?name={}", cluster.primary().name()))
        .replicas(cluster.standbys().iter().map(named))
        .check_interval(50 * MS)
        .max_lag(None)
}

/// Nobody sees the same ends there; whatever else goes through the same proxy lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_it_behind_a_proxy() {
    let cluster = cluster();
    let old = cluster.primary();
    let proxy = Forwarder::to(old.addr()).unwrap();
    let url = old.url_at(proxy.addr(), "postgres");
    let db = behind(&cluster, &url).connect().await.unwrap();
    let own = PgPoolOptions::new().connect(&url).await.unwrap();
    let mut own_txn = own.begin().await.unwrap();
    let txn = db.concrete().begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    fail_over(&cluster, &db).await;
    txn.commit().await.unwrap_err();
    assert_eq!(rows(old, 1), 0);
    let insert = sqlx::raw_sql("INSERT INTO t VALUES (10)");
    insert.execute(&mut *own_txn).await.unwrap();
    own_txn.commit().await.unwrap();
    assert_eq!(rows(old, 10), 1);
}

/// Its pool opens another one where that is refused, and does not ask whether it was closed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_being_opened_when_another_primary_takes_over_is_not_handed_out() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let proxy = Forwarder::to(old.addr()).unwrap();
    let url = old.url_at(proxy.addr(), "postgres");
    let db = behind(&cluster, &url).acquire_timeout(3_000 * MS);
    let db = db.connect().await.unwrap();
    let pool = db.get_postgres_connection_pool().clone();
    // What it is asked first has come to the server, and the answer is on its way.
    let asked = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%in_recovery%' \
                   AND backend_start > (SELECT max(began) FROM began)";
        old.sql(sql).unwrap().trim() != "0"
    };
    old.sql("CREATE TABLE began AS SELECT clock_timestamp() AS began")
        .unwrap();
    proxy.delay(200 * MS);
    let opening = tokio::spawn(async move { pool.acquire().await });
    until("the first question", async || asked()).await;
    proxy.black_hole();
    promote(new).await;
    let promoted = ClusterSignal::Promoted(new.name().to_owned());
    db.cluster().signal(promoted).unwrap();
    until_role(&db, new, Role::Primary).await;
    proxy.heal();
    assert!(opening.await.unwrap().is_err(), "it leads to the old one");
    insert(&db, 1).await.unwrap();
    assert_eq!((rows(old, 1), rows(new, 1)), (0, 1));
}
