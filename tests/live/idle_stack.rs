//! The connection that was used last serves the next statement, without a question in between (rule T15).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{Builder, RoutedConnection, drop_in};
use sealane_harness::Cluster;

use crate::{
    fixture::{builder, number},
    heard::counter,
    place::until,
};

const PID: &str = "SELECT pg_backend_pid()::bigint";

/// With three connections that are open and idle.
async fn three(builder: Builder) -> RoutedConnection {
    let db = builder
        .max_connections(3)
        .min_connections(3)
        .connect()
        .await
        .unwrap();
    let open = || db.cluster().topology().nodes[0].connections;
    until("the connections", async || open() == 3).await;
    db
}

async fn processes(db: &RoutedConnection) -> usize {
    let mut processes = BTreeSet::new();
    for _ in 0..12 {
        processes.insert(number(db, PID).await);
    }
    processes.len()
}

#[tokio::test]
async fn one_statement_after_the_other_runs_on_one_connection() {
    let cluster = Cluster::builder().start().unwrap();
    let db = three(builder(&cluster)).await;
    // The catalog's reader may have taken one just now.
    until("one connection for all", async || processes(&db).await == 1).await;

    // What nobody uses is the pool's again, and counts as idle all the while.
    let idle = async || counter(&db, "sealane_pool_idle_connections").await;
    until("all to count as idle", async || idle().await == 3).await;
    let pool = db.get_postgres_connection_pool().clone();
    until("the pool to have all", async || pool.num_idle() == 3).await;

    // From now on it is the application's too, which is to find all that nobody uses.
    until("each in its turn", async || processes(&db).await == 3).await;
    db.close().await.unwrap();
    assert!(pool.is_closed());
}

#[tokio::test]
async fn pings_and_transactions_get_a_connection_while_statements_use_all_of_them() {
    let cluster = Cluster::builder().start().unwrap();
    let db = RoutedConnection::builder()
        .primary(cluster.primary().url())
        .max_connections(2)
        .connect()
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..6)
        .map(|_| {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    // Long enough that hardly ever one is idle.
                    db.execute_unprepared("SELECT pg_sleep(0.003)").await?;
                }
                Ok::<_, DbErr>(())
            })
        })
        .collect();
    let turns = async {
        // It takes no place, so nothing but its turn gives it a connection.
        for _ in 0..20 {
            db.ping().await.unwrap();
        }
        for _ in 0..50 {
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared("SELECT 1").await.unwrap();
            txn.commit().await.unwrap();
        }
    };
    // Without their turn they wait for the acquire time-out, once for each.
    tokio::time::timeout(Duration::from_secs(25), turns)
        .await
        .expect("pings and transactions to get their turn");
    stop.store(true, Ordering::Relaxed);
    for task in busy {
        task.await.unwrap().unwrap();
    }
}

/// Somebody wants each connection asked before it is used.
#[tokio::test]
async fn with_a_ping_before_each_statement_the_pool_has_every_connection_in_between() {
    let cluster = Cluster::builder().start().unwrap();
    let builder = builder(&cluster).ping_after_idle(Duration::ZERO);
    let db = three(builder).await;
    // One may be open and not yet given back by whoever opened it.
    until("each in its turn", async || processes(&db).await == 3).await;
}

#[tokio::test]
async fn a_closure_that_looks_at_connections_is_asked_before_each_statement() {
    let cluster = Cluster::builder().start().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let mut options = drop_in::ConnectOptions::new(cluster.primary().url());
    options
        .max_connections(1)
        .map_sqlx_postgres_before_acquire({
            let asked = Arc::clone(&asked);
            move |_, _| {
                asked.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { Ok(true) })
            }
        });
    let db = drop_in::Database::connect(options).await.unwrap();
    let before = asked.load(Ordering::Relaxed);
    for _ in 0..10 {
        number(&db, PID).await;
    }
    assert!(asked.load(Ordering::Relaxed) >= before + 10);
}
