//! A whole cluster behind poolers whose primary dies (rule I8).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use sealane::{Error, Outcome, RoutedConnection};
use sealane_harness::{Cluster, Node, PgBouncer, PoolMode, StartUpOptions};

use super::{SIZE, sharing};
use crate::place::until;

const WRITERS: i64 = 6;

/// What one writer was told of its rows.
#[derive(Debug, Default)]
struct Told {
    written: Vec<i64>,
    unknown: Vec<i64>,
    /// Rows that it had written and did not see.
    missed: u64,
    /// Errors that say nothing of the outcome.
    silent: Vec<String>,
}

fn with(sql: &str, values: [i64; 1]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values.map(Value::from))
}

/// Writes one row after the other until it is told to end; the n-th is of this writer.
async fn write(
    db: RoutedConnection,
    writer: i64,
    ends: Arc<AtomicBool>,
    all: Arc<AtomicU64>,
) -> Told {
    let (mut told, mut n) = (Told::default(), writer * 1_000_000);
    while !ends.load(Relaxed) {
        n += 1;
        match db
            .execute_raw(with("INSERT INTO noted VALUES ($1)", [n]))
            .await
        {
            Ok(_) => {
                told.written.push(n);
                all.fetch_add(1, Relaxed);
                let own = "SELECT count(*) AS own FROM noted WHERE n / 1000000 = $1";
                // A read may fail while there is no primary; it may not miss anything.
                if let Ok(Some(row)) = db.query_one_raw(with(own, [writer])).await {
                    let seen: i64 = row.try_get("", "own").unwrap();
                    told.missed += u64::from(usize::try_from(seen).unwrap() < told.written.len());
                }
            }
            Err(err) => note(&mut told, n, &err),
        }
    }
    told
}

fn note(told: &mut Told, n: i64, err: &DbErr) {
    match Error::from_db_err(err).map(Error::outcome) {
        Some(Outcome::NotExecuted) => {}
        Some(Outcome::Unknown) => told.unknown.push(n),
        Some(other) => panic!("{other:?}: {err}"),
        None => told.silent.push(err.to_string()),
    }
}

/// How much of the log a standby whose primary is gone has received.
fn received(node: &Node) -> u64 {
    let sql = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint";
    node.sql(sql).unwrap().trim().parse().unwrap()
}

async fn survives(mode: PoolMode) {
    let cluster = Cluster::builder().standbys(2).own_identity();
    let cluster = cluster.start().unwrap();
    let old = cluster.primary();
    old.sql("CREATE TABLE noted (n bigint)").unwrap();
    // Whoever is promoted has all that was acknowledged.
    old.set("synchronous_standby_names", "ANY 2 (*)").unwrap();
    let before = |node| PgBouncer::to(node, mode, StartUpOptions::Dropped, SIZE).unwrap();
    let poolers: Vec<_> = cluster.nodes().iter().map(before).collect();
    let url = |at: usize, name: &str| format!("{}?name={name}", poolers[at].url("postgres"));
    let db = RoutedConnection::builder()
        .primary(url(0, "old"))
        .replicas([url(1, "one"), url(2, "two")])
        .check_interval(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    let (ends, all) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let writers: Vec<_> = (1..=WRITERS)
        .map(|writer| {
            tokio::spawn(write(
                db.session(),
                writer,
                Arc::clone(&ends),
                Arc::clone(&all),
            ))
        })
        .collect();
    let more = async |than: u64| {
        let from = all.load(Relaxed);
        until("more rows", async || all.load(Relaxed) > from + than).await;
    };
    more(200).await;
    let nodes = (
        old.clone(),
        cluster.standby(0).clone(),
        cluster.standby(1).clone(),
    );
    let new = tokio::task::spawn_blocking(move || {
        nodes.0.kill().unwrap();
        // Whoever has received more, or the other could not follow: of what was not acknowledged one may have none.
        let (new, other) = match received(&nodes.1) >= received(&nodes.2) {
            true => (nodes.1, nodes.2),
            false => (nodes.2, nodes.1),
        };
        new.promote().unwrap();
        other.repoint(&new).unwrap();
        new
    })
    .await
    .unwrap();
    more(200).await;
    // It comes back as it was, behind its own pooler.
    let node = old.clone();
    tokio::task::spawn_blocking(move || node.start().unwrap())
        .await
        .unwrap();
    more(400).await;
    ends.store(true, Relaxed);
    let mut told = Vec::new();
    for writer in writers {
        told.push(writer.await.unwrap());
    }
    let count = |of: &dyn Fn(&Told) -> usize| told.iter().map(of).sum::<usize>();
    println!(
        "{mode:?}: {} written, {} unknown, {} silent, {} missed",
        count(&|one| one.written.len()),
        count(&|one| one.unknown.len()),
        count(&|one| one.silent.len()),
        count(&|one| usize::try_from(one.missed).unwrap()),
    );
    let rows = new.sql("SELECT n FROM noted ORDER BY n").unwrap();
    let mut rows: Vec<i64> = rows
        .lines()
        .map(|line| line.trim().parse().unwrap())
        .collect();
    let twice = rows.len();
    rows.dedup();
    assert_eq!(rows.len(), twice, "a row was written twice");
    for one in &told {
        assert!(one.silent.is_empty(), "{:?}", one.silent.first());
        assert_eq!(one.missed, 0, "a writer missed what it had written");
        for n in &one.written {
            assert!(
                rows.binary_search(n).is_ok(),
                "{n} was acknowledged and is lost"
            );
        }
    }
    for n in &rows {
        let known = told
            .iter()
            .any(|one| one.written.contains(n) || one.unknown.contains(n));
        assert!(known, "{n} was said not to be executed, and is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_behind_its_pooler_is_followed_and_loses_nothing() {
    for mode in [vec![PoolMode::Session], sharing()].concat() {
        survives(mode).await;
    }
}
