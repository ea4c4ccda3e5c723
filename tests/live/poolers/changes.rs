//! A pooler that begins to share the server's connections while its clients stay, and one that is put between (rule I8).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, DbBackend, Statement, Value,
    sqlx::{self, Connection, PgConnection},
};
use sealane::{Consistency, RoutedConnection};
use sealane_harness::{Forwarder, PgBouncer, PoolMode, StartUpOptions};

use super::{Poolers, SLOT};
use crate::{fixture::number, heard::Heard, place::until};

const CLIENTS: i64 = 6;
const INSERT: &str = "INSERT INTO changes VALUES ($1)";
const READ: &str = "SELECT count(*) FROM changes WHERE n = $1";

fn with(text: &str, n: i64) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, [Value::from(n)])
}

/// Writes and reads until it is told to end; how many rows it wrote. Each node sees one text: which of several a name leads
/// to on another client's connection nobody can tell.
async fn client(db: RoutedConnection, n: i64, ends: Arc<AtomicBool>) -> i64 {
    let mut written = 0;
    while !ends.load(Relaxed) {
        let wrote = db.execute_raw(with(INSERT, n)).await.unwrap();
        assert_eq!(wrote.rows_affected(), 1);
        written += 1;
        let row = db.query_one_raw(with(READ, n)).await.unwrap().unwrap();
        let seen: i64 = row.try_get_by_index(0).unwrap();
        assert!(seen <= written, "{seen} rows of {written}");
    }
    written
}

async fn reload(pooler: &PgBouncer) {
    let console = pooler.url("pgbouncer");
    let mut console = PgConnection::connect(&console).await.unwrap();
    sqlx::raw_sql("RELOAD").execute(&mut console).await.unwrap();
}

/// Without the look that the first error orders, the statement that meets it fails.
#[tokio::test]
async fn no_statement_fails_or_runs_twice_when_a_pooler_changes_its_mode() {
    let place = SLOT.alone("poolers_changes").await;
    place.others("CREATE TABLE changes (n bigint)");
    let (session, dropped) = (PoolMode::Session, StartUpOptions::Dropped);
    let mut poolers = Poolers::before(&place, session, dropped);
    let (heard, _listening) = Heard::listen();
    let db = poolers.builder("poolers_changes");
    let db = db.consistency(Consistency::Eventual).connect();
    let db = db.await.unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(client(db.clone(), n, Arc::clone(&ends))))
        .collect();
    let written = || place.on(place.primary(), "SELECT count(*) FROM changes");
    let more = async || {
        let before: i64 = written().parse().unwrap();
        until("more rows", async || {
            written().parse::<i64>().unwrap() > before + 100
        })
        .await;
    };
    more().await;
    for (pooler, node) in poolers.0.iter_mut().zip(place.cluster().nodes()) {
        let (mode, server) = (PoolMode::Transaction, node.addr());
        pooler.change_mode(mode, server).unwrap();
        reload(pooler).await;
    }
    until("each pooler to be noticed", async || {
        let warned = heard.warnings();
        let shared = |line: &&String| line.contains("a pooler in transaction mode answers here");
        warned.iter().filter(shared).count() == 3
    })
    .await;
    more().await;
    ends.store(true, Relaxed);
    let mut told = 0;
    for client in clients {
        told += client.await.unwrap();
    }
    let all = "SELECT count(*) FROM changes";
    assert_eq!(number(&db.primary(), all).await, told);
    // And back: what was done for the one mode does no harm in the other.
    for (pooler, node) in poolers.0.iter_mut().zip(place.cluster().nodes()) {
        pooler.change_mode(session, node.addr()).unwrap();
        reload(pooler).await;
    }
    let late = Arc::new(AtomicBool::new(false));
    let client = tokio::spawn(client(db.clone(), CLIENTS, Arc::clone(&late)));
    more().await;
    late.store(true, Relaxed);
    let told = told + client.await.unwrap();
    assert_eq!(number(&db.primary(), all).await, told);
}

/// One client of a name that moves: what it wrote it reads, by texts of several shapes, and its setting is its own.
async fn own(db: RoutedConnection, n: i64, ends: Arc<AtomicBool>) -> i64 {
    let tenant = db.with_local("app.tenant", n.to_string()).unwrap();
    let shown =
        "SELECT coalesce(nullif(current_setting('app.tenant', true), ''), '-1')::bigint + $1";
    let mut written = 0;
    while !ends.load(Relaxed) {
        let wrote = db.execute_raw(with(INSERT, n)).await.unwrap();
        assert_eq!(wrote.rows_affected(), 1);
        written += 1;
        for (db, text, expected) in [
            (&db, READ, written),
            (&tenant, READ, written),
            (&tenant, shown, 2 * n),
            (&db, shown, n - 1),
        ] {
            let row = db.query_one_raw(with(text, n)).await.unwrap().unwrap();
            let seen: i64 = row.try_get_by_index(0).unwrap();
            assert_eq!(seen, expected, "client {n}: {text}");
        }
    }
    written
}

/// Connections that are open stay where they lead, and end with their lifetime: a pool has both kinds for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_fails_or_runs_twice_when_a_pooler_is_put_between_and_taken_away() {
    let place = SLOT.alone("poolers_between").await;
    place.others("CREATE TABLE changes (n bigint)");
    let nodes = place.cluster().nodes();
    let poolers = Poolers::before(&place, PoolMode::Transaction, StartUpOptions::Dropped);
    let name = |node: &sealane_harness::Node| Forwarder::to(node.addr()).unwrap();
    let names: Vec<_> = nodes.iter().map(name).collect();
    let url = |at: usize| {
        let addr = names[at].addr();
        format!("postgres://postgres@{addr}/poolers_between?name=n{at}")
    };
    let db = RoutedConnection::builder()
        .primary(url(0))
        .replicas([url(1), url(2)])
        .max_lifetime(Duration::from_secs(1))
        .connect();
    let db = db.await.unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(own(db.clone(), n, Arc::clone(&ends))))
        .collect();
    let (all, mut told) = ("SELECT count(*) FROM changes", 0);
    let written = || -> i64 { place.on(place.primary(), all).parse().unwrap() };
    for pooled in [true, false, true] {
        for ((name, pooler), node) in names.iter().zip(&poolers.0).zip(nodes) {
            name.redirect(if pooled { pooler.addr() } else { node.addr() });
        }
        let opened = || names.iter().map(Forwarder::accepted).collect::<Vec<_>>();
        let (rows, before) = (written() + 500, opened());
        until("each name to lead there, and rows by that", async || {
            let led = opened()
                .iter()
                .zip(&before)
                .all(|(now, then)| *now > then + 20);
            led && written() > rows
        })
        .await;
    }
    ends.store(true, Relaxed);
    for client in clients {
        told += client.await.unwrap();
    }
    assert_eq!(number(&db.primary(), all).await, told);
}
