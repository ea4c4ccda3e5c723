//! A small application in a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use sea_orm::{
    ConnectionTrait, DbBackend, Statement,
    sqlx::{self, PgPool, Postgres, pool::PoolConnection},
};
use sealane::{Consistency, RoutedConnection, middleware::SessionLayer};
use sealane_harness::Cluster;
use tokio::sync::Mutex;

/// The child's URLs, the primary's first, and the name of its header; set by its parent only.
const URLS: &str = "SEALANETEST_WEB_URLS";
const HEADER: &str = "SEALANETEST_WEB_HEADER";

/// Instead of a header: only bookmarks count.
pub const NARROW: &str = "(narrow)";
/// Instead of a header: it writes before it serves.
pub const MIGRATES: &str = "(migrates)";
/// Instead of a header: it has taken the pool before it serves.
pub const POOLED: &str = "(pooled)";

/// That pool, and one of its connections, which never goes back.
static POOL: OnceLock<(PgPool, Mutex<PoolConnection<Postgres>>)> = OnceLock::new();

pub fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .start()
        .unwrap();
    let fill = "CREATE TABLE mine (key bigint PRIMARY KEY, value bigint NOT NULL); \
                INSERT INTO mine SELECT key, 0 FROM generate_series(0, 3) AS key";
    cluster.primary().sql(fill).unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}

/// Killed when it is dropped.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts one, with a header instead of a cookie where its name is given; or in one of the ways above.
    pub fn start(cluster: &Cluster, header: &str) -> Self {
        let urls: Vec<String> = cluster.nodes().iter().map(|node| node.url()).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "web::server::child_serves", "--nocapture"])
            .env(URLS, urls.join(" "))
            .env(HEADER, header)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("port=")?.1.parse().ok())
            .expect("the server lives");
        Self { child, port }
    }

    pub fn url(&self, key: i64) -> String {
        format!("http://127.0.0.1:{}/{key}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does nothing unless a test starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_serves() {
    let Ok(urls) = std::env::var(URLS) else {
        return;
    };
    let mut urls = urls.split(' ');
    let db = RoutedConnection::builder()
        .primary(urls.next().unwrap())
        .replicas(urls)
        .consistency(Consistency::ReadYourWrites)
        // What would wait for the one fails the test, and what comes in the other comes at once, also on a busy machine.
        .route_timeout(std::time::Duration::from_secs(60))
        .stale_wait(std::time::Duration::from_millis(500))
        .connect()
        .await
        .unwrap();
    let layer = SessionLayer::new(db.clone());
    let layer = match std::env::var(HEADER) {
        Ok(way) if way == NARROW => layer.bookmarks_only(),
        Ok(way) if way == MIGRATES => {
            let migration = "UPDATE mine SET value = value + 1 WHERE key = 3";
            db.execute_unprepared(migration).await.unwrap();
            layer
        }
        Ok(way) if way == POOLED => {
            let pool = db.get_postgres_connection_pool().clone();
            let kept = Mutex::new(pool.acquire().await.unwrap());
            assert!(POOL.set((pool, kept)).is_ok());
            layer
        }
        Ok(name) if !name.is_empty() => layer.header(name.parse().unwrap()),
        _ => layer,
    };
    let app = Router::new()
        .route(
            "/{key}",
            get(read)
                .post(write)
                .put(lost)
                .patch(given_up)
                .delete(past_us),
        )
        .layer(layer)
        .with_state(db);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port={}", listener.local_addr().unwrap().port());
    axum::serve(listener, app).await.unwrap();
}

/// With the plain handle: the layer's scope is what makes it the client's session.
async fn read(State(db): State<RoutedConnection>, Path(key): Path<i64>) -> String {
    value(&db, "SELECT value FROM mine WHERE key = $1", key).await
}

async fn write(State(db): State<RoutedConnection>, Path(key): Path<i64>) -> String {
    let update = "UPDATE mine SET value = value + 1 WHERE key = $1 RETURNING value";
    value(&db, update, key).await
}

/// Through the pool, or for an odd key on the connection that is out of it; then it reads with the plain handle.
async fn past_us(db: State<RoutedConnection>, key: Path<i64>) -> String {
    let update = "UPDATE mine SET value = value + 1 WHERE key = $1";
    let update = sqlx::query(update).bind(*key);
    let (pool, kept) = POOL.get().unwrap();
    let updated = match *key % 2 {
        0 => update.execute(pool).await,
        _ => update.execute(&mut **kept.lock().await).await,
    };
    updated.unwrap();
    read(db, key).await
}

fn slow(key: i64) -> String {
    format!("UPDATE mine SET value = value + 1 WHERE key = {key} AND pg_sleep(2) IS NOT NULL")
}

/// A handler that goes on whatever becomes of its write.
async fn lost(State(db): State<RoutedConnection>, Path(key): Path<i64>) -> &'static str {
    let update = slow(key);
    match db.execute_unprepared(&update).await {
        Ok(_) => "1",
        Err(_) => "0",
    }
}

/// One that does not wait for its write, which takes its time.
async fn given_up(State(db): State<RoutedConnection>, Path(key): Path<i64>) -> &'static str {
    let update = slow(key);
    let patience = std::time::Duration::from_millis(200);
    match tokio::time::timeout(patience, db.execute_unprepared(&update)).await {
        Ok(_) => "1",
        Err(_) => "0",
    }
}

async fn value(db: &RoutedConnection, text: &str, key: i64) -> String {
    let stmt = Statement::from_sql_and_values(DbBackend::Postgres, text, [key.into()]);
    let row = db.query_one_raw(stmt).await.unwrap().unwrap();
    row.try_get_by_index::<i64>(0).unwrap().to_string()
}
