//! How many connections a process has, by what they are for: as few as `docs/connections.md` says.

use std::{
    collections::BTreeMap,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait};
use sealane::RoutedConnection;
use sealane_harness::{Cluster, Forwarder, Node};

use crate::{
    fixture::{self, number, sql},
    place::until,
};

const WHO: &str = "the shop";
const PAGE: &str = include_str!("../../docs/connections.md");

/// What a server counts, by name.
type Counts = BTreeMap<String, u32>;

/// What the page's table says of one kind of node, where nothing runs. `column`: the primary's, or a replica's.
fn documented(column: usize, replicas: bool) -> Counts {
    let table = PAGE.split("\n## By what they are for\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let mut counts = Counts::new();
    for cells in cells.filter(|cells| replicas || !cells[4].starts_with("with replicas")) {
        let name = match cells[1].trim_matches('`') {
            "application_name" => WHO,
            name => name,
        };
        let least = cells[column].split(' ').next().unwrap();
        if let Ok(least @ 1..) = least.parse::<u32>() {
            *counts.entry(name.to_owned()).or_default() += least;
        }
    }
    counts
}

/// Catalogs are read, and unresolved writes looked for, on connections that come and go.
fn counted(node: &Node) -> Counts {
    let asked = "SELECT application_name, count(*) FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
                 AND application_name NOT IN ('sealane-catalog', 'sealane-unresolved') GROUP BY 1";
    let rows = node.sql(asked).unwrap();
    let row = |row: &str| {
        let (name, count) = row.trim().rsplit_once('|')?;
        Some((name.trim().to_owned(), count.trim().parse().ok()?))
    };
    rows.lines().filter_map(row).collect()
}

async fn connect(cluster: &Cluster, most: u32) -> RoutedConnection {
    let mut options = ConnectOptions::new(cluster.primary().url());
    options.max_connections(most).set_application_name(WHO);
    let replicas = cluster.standbys().iter().map(Node::url);
    let db = RoutedConnection::builder().connect_options(options);
    db.replicas(replicas).connect().await.unwrap()
}

async fn are(node: &Node, expected: &Counts) {
    are_nearly(node, expected, 0).await;
}

/// The same, with at most so many more in the pool: at the start two may be opened at once, and both are kept.
async fn are_nearly(node: &Node, expected: &Counts, more: u32) {
    let started = Instant::now();
    loop {
        let mut found = counted(node);
        let pool = found.get(WHO).copied().unwrap_or_default();
        let wanted = expected.get(WHO).copied().unwrap_or_default();
        if (wanted..=wanted + more).contains(&pool) && wanted != 0 {
            found.insert(WHO.to_owned(), wanted);
        }
        if found == *expected {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{found:?} are not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_process_has_as_few_connections_as_the_page_says() {
    let cluster = fixture::cluster(2);
    cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    for most in [10, 1] {
        let db = connect(&cluster, most).await;
        let mut primary = documented(2, true);
        let replica = documented(3, true);
        assert_eq!(primary.values().sum::<u32>(), 3, "{primary:?}");
        assert_eq!(replica.values().sum::<u32>(), 4, "{replica:?}");
        for standby in cluster.standbys() {
            are(standby, &replica).await;
        }
        // Positions are asked for once there is something to ask for.
        are_nearly(cluster.primary(), &primary, 1).await;

        // What runs at a time is what the pools grow to, and nothing else does.
        let slow = || db.execute_unprepared("SELECT pg_sleep(0.3)");
        let run = (0..most.min(3)).map(|_| slow());
        let ran = futures_util::future::join_all(run).await;
        for done in ran {
            done.unwrap();
        }
        primary.insert(WHO.to_owned(), most.min(3));
        are_nearly(cluster.primary(), &primary, 1).await;

        // A second pool beside the first, for what nobody sees.
        let held = db.get_postgres_connection_pool().acquire().await.unwrap();
        assert_eq!(number(&db, "SELECT count(*) FROM t").await, 0);
        primary.insert(WHO.to_owned(), most.min(3) + 1);
        are_nearly(cluster.primary(), &primary, 1).await;
        drop(held);
        db.close().await.unwrap();
        for node in cluster.standbys().iter().chain([cluster.primary()]) {
            are(node, &Counts::new()).await;
        }
    }
}

#[tokio::test]
async fn without_replicas_it_has_its_pool_and_its_monitor() {
    let cluster = Cluster::builder().start().unwrap();
    let db = connect(&cluster, 1).await;
    let expected = documented(2, false);
    assert_eq!(expected.values().sum::<u32>(), 2, "{expected:?}");
    are(cluster.primary(), &expected).await;
    let pool = db.get_postgres_connection_pool().clone();
    for _ in 0..20 {
        let asked = db.query_one_raw(sql(&db, "SELECT 1"));
        let held = tokio::time::timeout(Duration::from_secs(20), pool.acquire());
        let (asked, held) = tokio::join!(asked, held);
        asked.unwrap();
        drop(held);
        assert!(counted(cluster.primary()).get(WHO) == Some(&1));
    }
}

/// R7: a login takes longer than these statements, so most of them are served by what comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_one_time_opens_a_few_connections_and_takes_what_comes_back() {
    const STATEMENTS: u32 = 40;
    let cluster = fixture::cluster(0);
    let way = Forwarder::to(cluster.primary().addr()).unwrap();
    way.delay(Duration::from_millis(20));
    let mut options = ConnectOptions::new(cluster.primary().url_at(way.addr(), "postgres"));
    options
        .max_connections(STATEMENTS)
        .set_application_name(WHO);
    let db = RoutedConnection::builder().connect_options(options);
    let db = db.connect().await.unwrap();
    let run = (0..STATEMENTS).map(|_| number(&db, "SELECT 1::int8"));
    futures_util::future::join_all(run).await;
    let opened = counted(cluster.primary()).get(WHO).copied();
    let few = available_parallelism().map_or(2, |count| u32::try_from(count.get()).unwrap());
    let most = (STATEMENTS / 2).max(2 * few);
    assert!(opened <= Some(most), "{opened:?} were opened");
}

/// T1: another one is opened beside them after a while, since names move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_go_on_with_the_connections_of_the_start() {
    let cluster = fixture::cluster(1);
    let builder = fixture::builder(&cluster).check_interval(Duration::from_millis(100));
    let db = builder.connect().await.unwrap();
    for node in cluster.nodes() {
        let started = node.sql("SELECT clock_timestamp()").unwrap();
        let kept = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sealane-probe' \
             AND backend_start < '{0}' AND query_start > '{0}'",
            started.trim()
        );
        until("a check", async || node.sql(&kept).unwrap().trim() == "1").await;
    }
    drop(db);
}
