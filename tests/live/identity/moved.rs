//! The primary's name moves to a promoted standby while the old server lives.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, TransactionTrait};
use sealane::{Builder, Failover, Flavour, RoutedConnection};
use sealane_harness::{Forwarder, Node};

use super::cluster;
use crate::{fixture::number, place::until};

const WRITERS: i64 = 6;

async fn promote(node: &Node) {
    let node = node.clone();
    tokio::task::spawn_blocking(move || node.promote().unwrap())
        .await
        .unwrap();
}

fn all(node: &Node) -> HashSet<i64> {
    let rows = node.sql("SELECT coalesce(string_agg(n::text, ','), '') FROM t");
    let rows = rows.unwrap();
    rows.trim()
        .split(',')
        .filter_map(|n| n.parse().ok())
        .collect()
}

/// Writers at one time: what each was told was stored, and how often `primary()` finds it at once.
async fn write(db: &RoutedConnection, from: i64) -> Vec<(i64, i64)> {
    let writers = (from..from + WRITERS).map(|n| {
        let db = db.clone();
        tokio::spawn(async move {
            let sql = format!("INSERT INTO t SELECT {n} FROM pg_sleep(0.005)");
            if n % 2 == 0 {
                db.execute_unprepared(&sql).await.ok()?;
            } else {
                let txn = db.begin().await.ok()?;
                txn.execute_unprepared(&sql).await.ok()?;
                txn.commit().await.ok()?;
            }
            let found = format!("SELECT count(*) FROM t WHERE n = {n}");
            Some((n, number(&db.primary(), &found).await))
        })
    });
    let mut stored = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        stored.extend(writer.await.unwrap());
    }
    stored
}

/// Lets some of the pool's connections be opened again.
fn close_some(node: &Node) {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
               WHERE application_name = 'the shop' AND state = 'idle' LIMIT 2) AS idle";
    node.sql(sql).unwrap();
}

async fn moves(failover: Failover, connect: impl FnOnce(String) -> Builder) {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let name = Forwarder::to(old.addr()).unwrap();
    let url = old.url_at(name.addr(), "postgres");
    let db = connect(format!("{url}?application_name=the%20shop"))
        .failover(failover)
        .max_connections(u32::try_from(WRITERS).unwrap())
        .check_interval(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    assert!(!write(&db, 0).await.is_empty());
    promote(new).await;
    name.redirect(new.addr());
    let (mut from, mut seen, mut rounds) = (100, false, 0);
    until("forty rounds on the new server", async || {
        close_some(old);
        let stored = write(&db, from).await;
        from += WRITERS;
        if seen {
            rounds += 1;
            let there = all(old);
            let lost = |(n, found): &&(i64, i64)| *found != 1 || there.contains(n);
            let lost: Vec<_> = stored.iter().filter(lost).copied().collect();
            assert_eq!(lost, [], "on the old server, or not found");
        }
        let there = all(new);
        seen |= stored.iter().any(|(n, _)| there.contains(n));
        rounds >= 40
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_to_a_promoted_standby_takes_every_connection_with_it() {
    moves(Failover::Off, by_url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_whose_failover_is_followed() {
    moves(Failover::Auto, by_url).await;
}

/// What is said of replicas takes nothing from the primary's protection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_whose_replicas_are_said_to_be_subscribers() {
    let subscribers = |url| by_url(url).flavour(Flavour::LogicalSubscriber);
    moves(Failover::Auto, subscribers).await;
}

/// The caller's own options, as an application that was on SeaORM has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_in_the_callers_own_options() {
    let options = |url| {
        let mut options = ConnectOptions::new(url);
        options.set_schema_search_path("public");
        RoutedConnection::builder().connect_options(options)
    };
    moves(Failover::Auto, options).await;
}

/// The one slot for what runs on a new connection is the caller's: each is asked by whoever takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_whose_new_connections_run_a_closure_of_the_callers() {
    let options = |url| {
        let mut options = ConnectOptions::new(url);
        options.map_sqlx_postgres_pool_opts(|options| {
            options.after_connect(|conn, _| {
                Box::pin(async move {
                    let set = "SET geqo_threshold = 7";
                    sea_orm::sqlx::raw_sql(set).execute(conn).await.map(drop)
                })
            })
        });
        RoutedConnection::builder().connect_options(options)
    };
    moves(Failover::Auto, options).await;
}

/// Rule C7: what was handed out before does not stay on the server that the name has left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_handed_out_stores_nothing_on_the_server_that_the_name_has_left() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let name = Forwarder::to(old.addr()).unwrap();
    let db = by_url(old.url_at(name.addr(), "postgres"))
        .failover(Failover::Off)
        .check_interval(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    let insert = |n: i64| format!("INSERT INTO t VALUES ({n})");
    let txn = db.concrete().begin().await.unwrap();
    txn.execute_unprepared(&insert(1)).await.unwrap();
    promote(new).await;
    name.redirect(new.addr());
    until("a write on the new server", async || {
        let _ = db.execute_unprepared(&insert(2)).await;
        all(new).contains(&2)
    })
    .await;
    txn.commit().await.unwrap_err();
    db.concrete().execute_unprepared(&insert(3)).await.unwrap();
    assert!(!all(old).contains(&1) && !all(old).contains(&3) && all(new).contains(&3));
}

/// Nobody sends a statement, and every connection that is open stays on the old server: what is left is the check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_is_noticed_by_its_check_without_a_statement() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let name = Forwarder::to(old.addr()).unwrap();
    let every = Duration::from_secs(3);
    let db = by_url(old.url_at(name.addr(), "postgres"))
        .check_interval(every)
        .connect()
        .await
        .unwrap();
    promote(new).await;
    name.redirect(new.addr());
    let (before, begun) = (name.accepted(), Instant::now());
    until("the new server's epoch", async || {
        let topology = db.cluster().topology();
        topology.nodes[0].epoch == Some(2)
    })
    .await;
    println!(
        "noticed after {:?} with a check every {every:?}, with {} new connections",
        begun.elapsed(),
        name.accepted() - before
    );
    // A check that is under way as the name moves still asks the old server.
    assert!(begun.elapsed() < 5 * every, "{:?}", begun.elapsed());
}

fn by_url(url: String) -> Builder {
    RoutedConnection::builder().primary(url)
}
