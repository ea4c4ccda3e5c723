//! A node that is silent holds up nothing but itself (rule T6).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, DbErr};
use sealane::{Ineligible, Role, RoutedConnection};
use sealane_harness::{Cluster, Forwarder};

use super::{MS, blocking, cluster, insert, promote, rows, soon, status, until_role};
use crate::place::until;

/// The nodes of the largest cluster that the monitor is made for.
const NODES: usize = 64;

/// Longer than anything here waits.
const FOR_EVER: Duration = Duration::from_secs(50);

/// The caller's `after_connect` connects when the pool of the frozen primary is made anew. Nobody waits for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_waits_for_the_dead_node_does_not_hold_up_the_new_primary() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let wire = Forwarder::to(old.addr()).unwrap();
    let url = old.url_at(wire.addr(), "postgres");
    let waited = Arc::<AtomicBool>::default();
    let mut options = ConnectOptions::new(&url);
    options.after_connect({
        let waited = Arc::clone(&waited);
        move |conn| {
            let waited = Arc::clone(&waited);
            Box::pin(async move {
                waited.store(true, Relaxed);
                conn.execute_unprepared("SELECT 1").await?;
                waited.store(false, Relaxed);
                Ok(())
            })
        }
    });
    let db = RoutedConnection::builder()
        .primary(format!("{url}?name={}", old.name()))
        .replica(format!("{}?name={}", new.url(), new.name()))
        .connect_options(options)
        .connect_timeout(FOR_EVER)
        .acquire_timeout(FOR_EVER)
        .check_interval(200 * MS)
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    cluster.wait_caught_up().unwrap();
    wire.black_hole();
    until("the verdict, and the callback to wait", async || {
        status(&db, old).generation > 0 && waited.load(Relaxed)
    })
    .await;
    promote(new).await;
    let begun = Instant::now();
    insert(&db, 2).await.unwrap();
    soon("a write on the new primary", begun);
    assert!(waited.load(Relaxed), "it did not wait any more");
    assert_eq!(rows(new, 2), 1);
}

/// A pool that could not be made is made when its node answers again; before that there is none, and a write waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_failed_while_its_node_was_gone_is_called_again_when_it_is_back() {
    let cluster = cluster();
    let primary = cluster.primary();
    let wire = Forwarder::to(primary.addr()).unwrap();
    let url = primary.url_at(wire.addr(), "postgres");
    let (refuses, refused) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let mut options = ConnectOptions::new(&url);
    options.after_connect({
        let (refuses, refused) = (Arc::clone(&refuses), Arc::clone(&refused));
        move |_| {
            let fails = refuses.load(Relaxed);
            refused.fetch_add(u64::from(fails), Relaxed);
            let done = match fails {
                true => Err(DbErr::Custom("no".to_owned())),
                false => Ok(()),
            };
            Box::pin(async { done })
        }
    });
    let db = RoutedConnection::builder()
        .primary(format!("{url}?name={}", primary.name()))
        .connect_options(options)
        .check_interval(200 * MS)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    refuses.store(true, Relaxed);
    wire.cut();
    until("a refusal", async || {
        refused.load(Relaxed) > 0 && status(&db, primary).generation > 0
    })
    .await;
    let count = db.cluster().topology().nodes[0].connections;
    assert_eq!(count, 0, "the old pool serves on");
    refuses.store(false, Relaxed);
    wire.heal();
    insert(&db, 2).await.unwrap();
    assert_eq!(rows(primary, 2), 1);
}

/// T1, T6: one node of 64 is silent and another one is gone; the change of the primary is followed all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_silent_node_of_sixty_four_holds_up_none_of_the_others() {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .setting("max_connections", "400")
        .start()
        .unwrap();
    let (old, new, crowd) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    old.sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    let ways: Vec<Forwarder> = (2..NODES)
        .map(|_| Forwarder::to(crowd.addr()).unwrap())
        .collect();
    let crowded = ways
        .iter()
        .enumerate()
        .map(|(at, way)| format!("{}?name=crowd-{at}", crowd.url_at(way.addr(), "postgres")));
    let named = format!("{}?name={}", new.url(), new.name());
    let db = RoutedConnection::builder()
        .primary(format!("{}?name={}", old.url(), old.name()))
        .replicas([named].into_iter().chain(crowded))
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    let replicas = || {
        let nodes = db.cluster().topology().nodes;
        let used = |role, why: Option<Ineligible>| role == Role::Replica && why.is_none();
        nodes
            .iter()
            .filter(|node| used(node.role, node.ineligible))
            .count()
    };
    until("all replicas", async || replicas() == NODES - 1).await;
    insert(&db, 1).await.unwrap();
    ways[0].black_hole();
    ways[1].cut();
    until("the verdicts", async || replicas() == NODES - 3).await;
    cluster.wait_caught_up().unwrap();
    blocking({
        let (old, new) = (old.clone(), new.clone());
        move || {
            old.kill().unwrap();
            new.promote().unwrap();
        }
    })
    .await;
    let begun = Instant::now();
    until("a write", async || insert(&db, 2).await.is_ok()).await;
    soon("a write on the new primary", begun);
    until_role(&db, new, Role::Primary).await;
    assert_eq!(rows(new, 2), 1);
    blocking({
        let (new, crowd) = (new.clone(), crowd.clone());
        move || crowd.repoint(&new).unwrap()
    })
    .await;
    ways[0].heal();
    ways[1].heal();
    until("all of the crowd", async || replicas() == NODES - 2).await;
}
