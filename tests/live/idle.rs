//! An idle cluster sleeps, and wakes by the first statement (rule T17).

mod beside;
mod falls_asleep;
mod no_primary;
mod wanted;

use std::time::Duration;

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, StreamTrait, TransactionTrait};
use sealane::{Builder, ClusterEvent, Role, RoutedConnection};
use sealane_harness::{Cluster, Node};

use crate::{
    fixture::{number, sql},
    heard::{Heard, counter},
    place::{own_cluster as cluster, until},
};

const MS: Duration = Duration::from_millis(1);

fn named(node: &Node) -> String {
    format!("{}?name={}", node.url(), node.name())
}

fn builder(cluster: &Cluster) -> Builder {
    RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replicas(cluster.standbys().iter().map(named))
        .check_interval(50 * MS)
        .max_lag(None)
        .idle_after(300 * MS)
}

/// How many clients the server has, but the one that asks.
fn clients(node: &Node) -> u64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    node.sql(sql).unwrap().trim().parse().unwrap()
}

async fn until_asleep(db: &RoutedConnection) {
    until("the cluster to sleep", async || {
        db.cluster().topology().asleep
    })
    .await;
}

/// Waits until there is no connection, at so many looks in a row: whoever asked again would have connected. One that was on
/// its way when the cluster fell asleep may come and go before.
async fn until_alone(cluster: &Cluster) {
    until(
        "every connection to be closed, and none to be opened",
        async || (0..40).all(|_| cluster.nodes().iter().all(|node| clients(node) == 0)),
    )
    .await;
}

fn role(db: &RoutedConnection, node: &Node) -> Role {
    let topology = db.cluster().topology();
    let mut nodes = topology.nodes.iter();
    nodes.find(|known| known.name == node.name()).unwrap().role
}

fn rows(node: &Node, n: i64) -> u64 {
    let sql = format!("SELECT count(*) FROM t WHERE n = {n}");
    node.sql(&sql).unwrap().trim().parse().unwrap()
}

async fn insert(db: &RoutedConnection, n: i64) {
    let sql = format!("INSERT INTO t VALUES ({n})");
    db.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test]
async fn an_idle_cluster_closes_everything_and_each_kind_of_statement_wakes_it() {
    let cluster = cluster(2);
    let (heard, _listening) = Heard::listen();
    let db = builder(&cluster)
        .cluster_name("sleeps")
        .min_connections(2)
        .connect()
        .await
        .unwrap();
    let mut events = db.cluster().subscribe().unwrap();
    insert(&db, 0).await;
    for round in 0..6 {
        until_asleep(&db).await;
        until_alone(&cluster).await;
        assert!(db.cluster().topology().asleep, "round {round}");
        assert_eq!(db.cluster().topology().nodes.len(), 3);
        for node in db.cluster().inspect().await.unwrap() {
            let why = "not asked, since the cluster sleeps; the next statement wakes it";
            assert_eq!(node.error.as_deref(), Some(why), "{}", node.name);
        }
        assert_eq!(db.cluster().health().state, sealane::HealthState::Ready);
        assert!(db.cluster().topology().asleep, "a look woke it");
        match round {
            0 => insert(&db, 1).await,
            1 => assert_eq!(number(&db, "SELECT count(*) FROM t").await, 3),
            2 => assert_eq!(number(&db.replica(), "SELECT 1::bigint").await, 1),
            3 => db.begin().await.unwrap().commit().await.unwrap(),
            4 => db.ping().await.unwrap(),
            _ => {
                let mut rows = db.stream_raw(sql(&db, "SELECT n FROM t")).await.unwrap();
                while rows.try_next().await.unwrap().is_some() {}
            }
        }
        assert!(!db.cluster().topology().asleep);
        // What comes after that is served as ever.
        insert(&db, 10 + round).await;
        assert_eq!(rows(cluster.primary(), 10 + round), 1);
    }
    assert_eq!(heard.warnings(), Vec::<String>::new());
    for name in ["ejections", "primary_changes", "primary_losses"] {
        let name = format!("sealane_{name}_total");
        assert_eq!(counter(&db, &name).await, 0, "{name}");
    }
    let mut told = Vec::new();
    while told.len() < 12 {
        let event = events.next().await.unwrap();
        assert!(
            matches!(event, ClusterEvent::Asleep | ClusterEvent::Awake),
            "{event}"
        );
        told.push(event);
    }
    let pairs = told.chunks(2);
    let in_turn = |pair: &[ClusterEvent]| pair == [ClusterEvent::Asleep, ClusterEvent::Awake];
    assert!(pairs.into_iter().all(in_turn), "{told:?}");
}

#[tokio::test]
async fn what_is_open_keeps_it_awake() {
    let cluster = cluster(1);
    // When this one sleeps, the others have had their time.
    let other = async || {
        let other = builder(&cluster).connect().await.unwrap();
        until_asleep(&other).await;
    };
    let db = builder(&cluster).connect().await.unwrap();
    let open = db.begin().await.unwrap();
    open.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    other().await;
    other().await;
    assert!(!db.cluster().topology().asleep);
    open.execute_unprepared("INSERT INTO t VALUES (2)")
        .await
        .unwrap();
    open.commit().await.unwrap();
    let all = sql(&db, "SELECT generate_series(1, 100000)::bigint AS n");
    let mut rows = db.stream_raw(all).await.unwrap();
    assert!(rows.try_next().await.unwrap().is_some());
    other().await;
    other().await;
    assert!(!db.cluster().topology().asleep);
    drop(rows);
    until_asleep(&db).await;
    // The application has a pool of it, and may use it at any time.
    db.ping().await.unwrap();
    let handed = db.concrete();
    handed
        .execute_unprepared("INSERT INTO t VALUES (3)")
        .await
        .unwrap();
    other().await;
    other().await;
    assert!(!db.cluster().topology().asleep);
    handed
        .execute_unprepared("INSERT INTO t VALUES (4)")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_primary_that_was_promoted_meanwhile_gets_the_first_write_and_the_old_one_none() {
    for round in 0..3 {
        let cluster = cluster(2);
        let (old, new) = (cluster.primary(), cluster.standby(0));
        let db = builder(&cluster).connect().await.unwrap();
        insert(&db, 1).await;
        cluster.wait_caught_up().unwrap();
        until_asleep(&db).await;
        until_alone(&cluster).await;
        // The old one lives on, and would take it.
        new.promote().unwrap();
        let (follower, target) = (cluster.standby(1).clone(), new.clone());
        if round > 0 {
            follower.repoint(&target).unwrap();
        }
        if round > 1 {
            // Who comes first decides nothing.
            old.restart().unwrap();
        }
        assert!(db.cluster().topology().asleep, "nobody was asked");
        for n in 10..20 {
            insert(&db, n).await;
            assert_eq!((rows(old, n), rows(new, n)), (0, 1), "{n} in round {round}");
        }
        assert_eq!(
            (role(&db, old), role(&db, new)),
            (Role::Fenced, Role::Primary)
        );
    }
}

#[tokio::test]
async fn reads_of_what_was_written_before_the_sleep_are_never_stale() {
    let cluster = cluster(2);
    let db = builder(&cluster).connect().await.unwrap();
    for n in 1..=5 {
        for standby in cluster.standbys() {
            standby.pause_replay().unwrap();
        }
        insert(&db, n).await;
        until_asleep(&db).await;
        for _ in 0..10 {
            assert_eq!(number(&db, "SELECT count(*) FROM t").await, n);
        }
        for standby in cluster.standbys() {
            standby.resume_replay().unwrap();
        }
        cluster.wait_caught_up().unwrap();
    }
    // Also with the primary of the next timeline.
    insert(&db, 6).await;
    cluster.wait_caught_up().unwrap();
    until_asleep(&db).await;
    let new = cluster.standby(0);
    new.promote().unwrap();
    cluster.standby(1).repoint(new).unwrap();
    for _ in 0..20 {
        assert_eq!(number(&db, "SELECT count(*) FROM t").await, 6);
    }
}

#[tokio::test]
async fn many_statements_wake_a_single_server_once_and_none_fails() {
    let cluster = cluster(0);
    let db = builder(&cluster).connect().await.unwrap();
    let mut events = db.cluster().subscribe().unwrap();
    until_asleep(&db).await;
    until_alone(&cluster).await;
    // It is another process by now, as a compute that was stopped and started again.
    cluster.primary().restart().unwrap();
    let all = (0..50).map(|n| {
        let db = db.clone();
        async move {
            match n % 2 {
                0 => insert(&db, n).await,
                _ => assert!(number(&db, "SELECT count(*) FROM t").await >= 0),
            }
        }
    });
    futures_util::future::join_all(all).await;
    assert_eq!(
        cluster
            .primary()
            .sql("SELECT count(*) FROM t")
            .unwrap()
            .trim(),
        "25"
    );
    until_asleep(&db).await;
    for expected in [
        ClusterEvent::Asleep,
        ClusterEvent::Awake,
        ClusterEvent::Asleep,
    ] {
        assert_eq!(events.next().await.unwrap(), expected);
    }
}
