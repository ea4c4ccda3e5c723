//! A node that is silent holds up nothing but itself (rule T6).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, DbErr};
use sealane::{Builder, Ineligible, Reason, Role, RoutedConnection};
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

/// A handle whose own time-outs cut nothing, so that it has to be something else.
async fn connect_patiently(builder: Builder) -> RoutedConnection {
    builder
        .connect_timeout(FOR_EVER)
        .acquire_timeout(FOR_EVER)
        .check_interval(100 * MS)
        .max_lag(None)
        .connect()
        .await
        .unwrap()
}

/// The question how far a frozen primary has written is cut as a statement is, and its successor is asked (rule T7).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_on_a_frozen_primary_ends_with_the_promotion() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let builder = super::builder(&cluster).route_timeout(FOR_EVER);
    let db = connect_patiently(builder).await;
    let session = db.session();
    // Nobody has read since, so nobody has asked where it lies.
    insert(&session, 1).await.unwrap();
    cluster.wait_caught_up().unwrap();
    old.freeze();
    let asking = tokio::spawn({
        let session = session.clone();
        async move { session.bookmark().await }
    });
    promote(new).await;
    let other = db.session();
    until("a write on the new primary", async || {
        insert(&other, 2).await.is_ok()
    })
    .await;
    let bookmark = tokio::time::timeout(FOR_EVER / 5, asking).await;
    let bookmark = bookmark
        .expect("the question to the frozen one to be cut")
        .unwrap()
        .unwrap();
    // What it stands for is of the new epoch, so that whoever brings it is not sent back.
    let reader = db.session_from(&bookmark);
    assert!(crate::fixture::number(&reader, super::COUNT).await >= 1);
    old.thaw();
}

/// So is the question what became of a write whose connection is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_look_after_a_write_on_a_silent_primary_ends_with_the_promotion() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let wire = Forwarder::to(old.addr()).unwrap();
    let url = old.url_at(wire.addr(), "postgres");
    let named = |node: &sealane_harness::Node| format!("{}?name={}", node.url(), node.name());
    let builder = RoutedConnection::builder()
        .primary(format!("{url}?name={}", old.name()))
        .replicas(cluster.standbys().iter().map(named));
    let db = connect_patiently(builder).await;
    let session = db.session();
    let writing = tokio::spawn({
        let session = session.clone();
        async move {
            let slow = "INSERT INTO t SELECT 1 FROM pg_sleep(600)";
            session.execute_unprepared(slow).await
        }
    });
    let at_work = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT%pg_sleep(600)'";
    until("the write to run", async || {
        old.sql(at_work).unwrap().trim() == "1"
    })
    .await;
    wire.disconnect();
    writing.await.unwrap().unwrap_err();
    let other = db.session();
    until("the primary's return", async || {
        insert(&other, 2).await.is_ok()
    })
    .await;
    let asked =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sealane-unresolved'";
    until("somebody to look after the write", async || {
        old.sql(asked).unwrap().trim() == "1"
    })
    .await;
    wire.black_hole();
    // Longer than between two looks.
    tokio::time::sleep(500 * MS).await;
    promote(new).await;
    until("a write on the new primary", async || {
        insert(&other, 3).await.is_ok()
    })
    .await;
    cluster.standby(1).repoint(new).unwrap();
    let begun = Instant::now();
    until("its session to read on replicas again", async || {
        crate::fixture::number(&session, super::COUNT).await;
        session.explain(super::COUNT).reason == Reason::Replica
    })
    .await;
    assert!(begun.elapsed() < FOR_EVER / 5, "{:?}", begun.elapsed());
}
