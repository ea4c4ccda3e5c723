//! Patroni's own cluster, with the smallest `ttl` and `loop_wait` (rules T9, T12).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectionTrait,
    sqlx::{self, Connection as _, PgConnection},
};
use sealane::{Discovery, Role, RoutedConnection};
use sealane_harness::Patroni;

use crate::place::until;

const MS: Duration = Duration::from_millis(1);

/// When writes succeeded, of the client's and of a raw connection to each server.
#[derive(Clone, Default)]
struct Written {
    at: Arc<Mutex<Vec<Instant>>>,
    /// What went wrong instead.
    errors: Arc<Mutex<Vec<String>>>,
}

impl Written {
    fn note(&self) {
        self.at.lock().unwrap().push(Instant::now());
    }

    /// The longest time without one, after this moment.
    fn gap(&self, since: Instant) -> Duration {
        let all = self.at.lock().unwrap();
        let after: Vec<Instant> = all.iter().copied().filter(|at| *at >= since).collect();
        let gaps = after.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }

    fn first_after(&self, since: Instant) -> Option<Instant> {
        self.at
            .lock()
            .unwrap()
            .iter()
            .copied()
            .filter(|at| *at >= since)
            .min()
    }
}

fn write(db: &RoutedConnection, stop: &Arc<AtomicBool>) -> Written {
    let written = Written::default();
    let (db, stop, noted) = (db.clone(), Arc::clone(stop), written.clone());
    tokio::spawn(async move {
        while !stop.load(Relaxed) {
            match db.execute_unprepared("INSERT INTO t VALUES (1)").await {
                Ok(_) => noted.note(),
                Err(err) => noted.errors.lock().unwrap().push(err.to_string()),
            }
            tokio::time::sleep(2 * MS).await;
        }
    });
    written
}

/// What a client could do at best: it tries to write on every server all the time.
fn raw(cluster: &Patroni, stop: &Arc<AtomicBool>) -> Written {
    let written = Written::default();
    for member in cluster.members() {
        let (url, stop, noted) = (member.url(), Arc::clone(stop), written.clone());
        tokio::spawn(async move {
            let mut conn = None;
            while !stop.load(Relaxed) {
                if conn.is_none() {
                    conn = PgConnection::connect(&url).await.ok();
                }
                if let Some(open) = &mut conn {
                    match sqlx::query("INSERT INTO floor VALUES (1)")
                        .execute(open)
                        .await
                    {
                        Ok(_) => noted.note(),
                        Err(err)
                            if err
                                .as_database_error()
                                .is_some_and(|err| err.code().as_deref() == Some("25006")) => {}
                        Err(_) => conn = None,
                    }
                }
                tokio::time::sleep(2 * MS).await;
            }
        });
    }
    written
}

/// Both have written since then.
async fn both_write(ours: &Written, floor: &Written, since: Instant) {
    until("writes of both", async || {
        ours.first_after(since).is_some() && floor.first_after(since).is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_over_and_a_killed_leader_cost_little_more_than_patroni_does() {
    let cluster = tokio::task::spawn_blocking(|| Patroni::start(3))
        .await
        .unwrap()
        .unwrap();
    let leader = cluster.leader().unwrap();
    leader.sql("create table t (n bigint)").unwrap();
    leader.sql("create table floor (n bigint)").unwrap();
    let rest: Vec<String> = cluster
        .members()
        .iter()
        .map(|member| member.rest())
        .collect();
    let db = RoutedConnection::builder()
        .primary(cluster.members()[0].url())
        .discovery(Discovery::Patroni(rest.join(",")))
        .check_interval(200 * MS)
        .failover_timeout(Duration::from_secs(60))
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    until("all members", async || {
        let topology = db.cluster().topology();
        topology.nodes.len() == 3
            && topology
                .nodes
                .iter()
                .all(|node| matches!(node.role, Role::Primary | Role::Replica))
    })
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let (ours, floor) = (write(&db, &stop), raw(&cluster, &stop));
    both_write(&ours, &floor, Instant::now()).await;

    let old = cluster.leader().unwrap().name().to_owned();
    let new = cluster
        .members()
        .iter()
        .find(|member| member.name() != old)
        .unwrap()
        .name()
        .to_owned();
    let begun = Instant::now();
    let cluster = tokio::task::spawn_blocking(move || cluster.switch_over(&new).map(|()| cluster));
    let mut cluster = cluster.await.unwrap().unwrap();
    both_write(&ours, &floor, Instant::now()).await;
    let (ours_gap, floor_gap) = (ours.gap(begun), floor.gap(begun));
    println!("switch-over: {ours_gap:?} without a write, a raw connection {floor_gap:?}");
    // Patroni stops the old leader in an orderly way: each statement is told that it was not executed, or waits.
    assert_eq!(*ours.errors.lock().unwrap(), [""; 0]);
    let slack = Duration::from_secs(5);
    assert!(
        ours_gap <= floor_gap + slack,
        "{ours_gap:?} against {floor_gap:?}"
    );

    let old = cluster.leader().unwrap().name().to_owned();
    let begun = Instant::now();
    cluster.kill(&old).unwrap();
    let killed = Instant::now();
    // Patroni waits for the leader's key to end.
    let deadline = Instant::now() + Duration::from_secs(60);
    while floor.first_after(killed + 50 * MS).is_none()
        || ours.first_after(killed + 50 * MS).is_none()
    {
        assert!(
            Instant::now() < deadline,
            "no write after {:?}",
            begun.elapsed()
        );
        tokio::time::sleep(10 * MS).await;
    }
    let first = floor.first_after(killed + 50 * MS).unwrap();
    let ours = ours.first_after(killed + 50 * MS).unwrap();
    println!(
        "killed leader: a raw connection wrote after {:?}, the client {:?} later",
        first - begun,
        ours.saturating_duration_since(first)
    );
    assert!(ours.saturating_duration_since(first) <= slack);
    stop.store(true, Relaxed);
    assert_ne!(db.cluster().topology().epoch, None);
    drop(cluster);
}
