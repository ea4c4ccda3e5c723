//! The pool that SeaORM's names give, as an application uses it: without replicas it is the handle's own, to the letter;
//! with replicas it is one beside it. Either outlives a restart of its server, and closing it closes the handle.

use std::time::Duration;

use sea_orm::{ConnAcquireErr, ConnectOptions, ConnectionTrait, DbErr, sqlx};
use sealane::{
    RoutedConnection,
    drop_in::{Database, DatabaseConnection},
};
use sealane_harness::{Cluster, Node};

use crate::{
    fixture::{self, number},
    heard::Heard,
    place::until,
};

const WHO: &str = "the shop";

/// Connections of the application's own to this node: those of its pools.
fn open(node: &Node) -> usize {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{WHO}'");
    node.sql(&sql).unwrap().trim().parse().unwrap()
}

async fn alone(cluster: &Cluster, most: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(cluster.primary().url());
    options
        .max_connections(most)
        .acquire_timeout(Duration::from_millis(300))
        .set_application_name(WHO);
    Database::connect(options).await.unwrap()
}

fn is_closed<T: std::fmt::Debug>(done: Result<T, DbErr>) {
    let err = done.unwrap_err();
    let closed = DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
    assert_eq!(err, closed);
}

#[tokio::test]
async fn without_replicas_the_pool_is_the_handles_own_and_one_connection_is_one() {
    let cluster = Cluster::builder().start().unwrap();
    let db = alone(&cluster, 1).await;
    assert_eq!(number(&db, "SELECT 1::int8").await, 1);
    let pool = db.get_postgres_connection_pool();
    until("the connection to be idle", async || pool.num_idle() == 1).await;
    assert_eq!((pool.size(), open(cluster.primary())), (1, 1));
    assert_eq!(pool.options().get_max_connections(), 1);
    // What the application has out of it, the handle waits for, and the other way round.
    let held = pool.acquire().await.unwrap();
    assert_eq!((pool.size(), pool.num_idle()), (1, 0));
    let waited = db.query_one_raw(fixture::sql(&db, "SELECT 1")).await;
    let waited = waited.unwrap_err().to_string();
    assert!(waited.contains("timed out"), "{waited}");
    drop(held);
    let txn = sea_orm::TransactionTrait::begin(&db).await.unwrap();
    let waited = pool.acquire().await;
    assert!(
        matches!(waited, Err(sqlx::Error::PoolTimedOut)),
        "{waited:?}"
    );
    txn.commit().await.unwrap();
    assert_eq!(number(db.concrete(), "SELECT 1::int8").await, 1);
    assert_eq!(open(cluster.primary()), 1);

    pool.close().await;
    is_closed(db.ping().await);
    is_closed(db.execute_unprepared("SELECT 1").await);
    is_closed(db.query_one_raw(fixture::sql(&db, "SELECT 1")).await);
    assert!(
        db.get_postgres_connection_pool().is_closed(),
        "it stays closed"
    );
    until("nothing to be left", async || open(cluster.primary()) == 0).await;
}

/// An application keeps a clone of the pool for as long as it runs: a job queue, a session store.
async fn outlives_a_restart(cluster: &Cluster, db: &RoutedConnection) {
    let pool = db.get_postgres_connection_pool().clone();
    let asks = async || sqlx::query("SELECT 1").execute(&pool).await;
    asks().await.unwrap();
    for _ in 0..2 {
        cluster.primary().restart().unwrap();
        until("the pool to answer again", async || asks().await.is_ok()).await;
        until("the handle to write again", async || {
            db.execute_unprepared("CREATE TABLE IF NOT EXISTS t (n bigint)")
                .await
                .is_ok()
        })
        .await;
        let other = db.get_postgres_connection_pool();
        assert_eq!(other.is_closed(), pool.is_closed());
        sqlx::query("SELECT 1").execute(other).await.unwrap();
        asks().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_the_application_keeps_outlives_a_restart_of_the_only_server() {
    let cluster = Cluster::builder().start().unwrap();
    let db = alone(&cluster, 5).await;
    outlives_a_restart(&cluster, &db).await;
    let pool = db.get_postgres_connection_pool();
    until("one pool still", async || {
        pool.size() == u32::try_from(open(cluster.primary())).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_beside_replicas_outlives_a_restart_of_the_primary_and_closes_the_handle() {
    let cluster = fixture::cluster(1);
    let db = fixture::builder(&cluster)
        .acquire_timeout(Duration::from_secs(1))
        .connect()
        .await
        .unwrap();
    outlives_a_restart(&cluster, &db).await;
    db.get_postgres_connection_pool().close().await;
    until("the handle to be closed", async || db.ping().await.is_err()).await;
    is_closed(db.ping().await);
    until("every pool to be closed", async || {
        db.query_one_raw(fixture::sql(&db, "SELECT 1"))
            .await
            .is_err()
    })
    .await;
    assert!(
        db.get_postgres_connection_pool().is_closed(),
        "it stays closed"
    );
}

/// Each time that it was asked for while there was none, another one was made, and another when there was one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_comes_and_goes_leaves_one_pool_and_one_in_its_place() {
    let cluster = fixture::cluster(1);
    let db = fixture::builder(&cluster)
        .check_interval(Duration::from_millis(50))
        .connect()
        .await
        .unwrap();
    let with = db.concrete();
    let mut without = None;
    for _ in 0..2 {
        cluster.primary().kill().unwrap();
        until("no primary", async || !std::ptr::eq(db.concrete(), with)).await;
        let gone = db.concrete();
        assert!(std::ptr::eq(*without.get_or_insert(gone), gone));
        cluster.primary().start().unwrap();
        until("a primary", async || !std::ptr::eq(db.concrete(), gone)).await;
        assert!(std::ptr::eq(db.concrete(), with));
        until("its pool to answer", async || {
            with.execute_unprepared("SELECT 1").await.is_ok()
        })
        .await;
    }
}

/// Reads, and hears where each ran.
struct Reader {
    db: DatabaseConnection,
    heard: Heard,
    _listens: tracing::subscriber::DefaultGuard,
}

impl Reader {
    async fn new(cluster: &Cluster) -> Self {
        cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
        cluster.wait_caught_up().unwrap();
        let (heard, listens) = Heard::listen();
        let db = fixture::builder(cluster).connect().await.unwrap();
        let reader = Self {
            db,
            heard,
            _listens: listens,
        };
        reader.reads_on_the_replica(1).await;
        reader
    }

    /// What it says, and whether a replica did.
    async fn ask(&self, sql: &str) -> (i64, bool) {
        self.heard.routes();
        let said = number(&self.db, sql).await;
        let last = self.heard.routes().pop();
        (said, last.is_some_and(|(role, _)| role == "replica"))
    }

    async fn reads_on_the_replica(&self, times: i32) {
        let mut served = 0;
        until("reads on the replica", async || {
            served += i32::from(self.ask("SELECT count(*) FROM t").await.1);
            served == times
        })
        .await;
    }
}

/// C7: what is out may be written on at any time, and a listener never comes back.
#[tokio::test]
async fn reads_beside_a_listener_go_to_the_replicas_and_miss_nothing_of_its_pool() {
    let cluster = fixture::cluster(1);
    let reader = Reader::new(&cluster).await;
    let pool = reader.db.get_postgres_connection_pool();
    let mut listener = sqlx::postgres::PgListener::connect_with(pool)
        .await
        .unwrap();
    listener.listen("news").await.unwrap();
    reader.reads_on_the_replica(50).await;

    // The listener's own connection, one that is kept, and those that come and go.
    let mut kept = pool.acquire().await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    let mut served = 0;
    for round in 1..=300_i64 {
        match round % 4 {
            3 => {
                // It never comes back.
                let mut conn = pool.acquire().await.unwrap();
                sqlx::query(insert).execute(&mut *conn).await.unwrap();
                conn.close().await.unwrap();
            }
            0 => drop(sqlx::query(insert).execute(&mut listener).await.unwrap()),
            1 => drop(sqlx::query(insert).execute(&mut *kept).await.unwrap()),
            _ => drop(sqlx::query(insert).execute(pool).await.unwrap()),
        }
        let (seen, on_replica) = reader.ask("SELECT count(*) FROM t").await;
        assert_eq!(seen, round, "a read missed what had been committed");
        served += i32::from(on_replica);
    }
    assert!(served > 0, "some of them on the replica");
    sqlx::query("NOTIFY news").execute(pool).await.unwrap();
    listener.recv().await.unwrap();
}

/// A job queue looks for work all the time; that each look may have changed the schema kept every read on the primary.
#[tokio::test]
async fn a_job_queue_on_the_pool_leaves_reads_to_the_replicas_and_its_schema_changes_are_seen() {
    let cluster = fixture::cluster(1);
    let reader = Reader::new(&cluster).await;
    let pool = reader.db.get_postgres_connection_pool().clone();
    let looks = tokio::spawn(async move {
        loop {
            let look = "SELECT n FROM t ORDER BY n LIMIT 1 FOR UPDATE SKIP LOCKED";
            sqlx::query(look).fetch_optional(&pool).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    reader.reads_on_the_replica(50).await;
    looks.abort();

    // What was harmless is so no longer, from the moment when its change has come back.
    let pool = reader.db.get_postgres_connection_pool();
    let make = |kind: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS bigint {kind} LANGUAGE sql AS 'SELECT 1::bigint'"
        )
    };
    for _ in 0..5 {
        for kind in ["IMMUTABLE", "VOLATILE"] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(make(kind)))
                .execute(pool)
                .await
                .unwrap();
            until("the connection to be back", async || {
                usize::try_from(pool.size()).unwrap() == pool.num_idle()
            })
            .await;
            let on_replica = async || reader.ask("SELECT f()").await.1;
            match kind {
                "VOLATILE" => assert!(!on_replica().await, "it may do anything"),
                _ => until("it to be known as harmless", on_replica).await,
            }
        }
    }
}
