//! A promotion is followed, whoever tells of it, by a user who may see whether a server is set up to replicate and by one who may
//! not (rule T19).

use std::time::{Duration, Instant};

use sealane::{ClusterEvent, ClusterSignal, Outcome, Role};

use super::stage::{Roles, insert, rows, user};
use crate::{
    faults::{outcome, status, until_role, within},
    fixture::number,
    place::until,
};

const LIMIT: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);
const COUNT: &str = "SELECT count(*) FROM note";

/// T9: no check would notice it for a minute; the first statement that fails does.
async fn finds_the_new_primary_by_a_failing_statement(user: user::User) {
    let roles = Roles::new();
    let [old, new, other] = roles.nodes();
    let db = roles.builder(user).check_interval(MINUTE).max_lag(None);
    let db = db.connect().await.unwrap();
    insert(&db, 1).await.unwrap();
    roles.wait_caught_up();
    old.kill().unwrap();
    new.promote().unwrap();
    let begun = Instant::now();
    // One that met a connection which its server had cut may not know its outcome.
    until("a write", async || insert(&db, 2).await.is_ok()).await;
    println!("the first write after the promotion: {:?}", begun.elapsed());
    assert_eq!((rows(new, 2), status(&db, "m2").generation), (1, 0));
    assert_eq!(status(&db, "m2").role, Role::Primary);
    // The old one comes back as a replica, and is one.
    other.follow(new).unwrap();
    old.start().unwrap();
    old.rejoin(new).unwrap();
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until("all to be used", async || {
        let used = |node: &str| {
            let status = status(&db, node);
            (status.role, status.ineligible) == (Role::Replica, None)
        };
        used("m1") && used("m3")
    })
    .await;
    insert(&db, 3).await.unwrap();
    assert_eq!(number(&db, COUNT).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_statement_finds_the_new_primary_long_before_the_next_check() {
    finds_the_new_primary_by_a_failing_statement(user::WHO_SEES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_for_a_user_who_may_not_see_replication() {
    finds_the_new_primary_by_a_failing_statement(user::APPLICATION).await;
}

/// Promise 4: the old primary goes on and takes writes, more than the new one; once that was seen, it gets none of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_stays_writable_gets_nothing_once_the_new_one_was_seen() {
    let roles = Roles::new();
    let [old, new, other] = roles.nodes();
    let db = roles
        .builder(user::WHO_SEES)
        .check_interval(MINUTE)
        .max_lag(None);
    let db = db.connect().await.unwrap();
    let mut events = db.cluster().subscribe().unwrap();
    insert(&db, 1).await.unwrap();
    roles.wait_caught_up();
    new.promote().unwrap();
    other.follow(new).unwrap();
    // Not by the handle: what it asks of the replicas around a write of its own may tell it already.
    for n in 100..120 {
        let sql = format!("INSERT INTO note VALUES ({n}, 'alone')");
        old.sql_in("app", &sql).unwrap();
    }
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(&db, "m2", Role::Primary).await;
    for n in 2..20 {
        insert(&db, n).await.unwrap();
        assert_eq!((rows(old, n), rows(new, n)), (0, 1));
    }
    assert_eq!(status(&db, "m1").role, Role::Fenced);
    // A process that starts now finds the same.
    let late = roles.builder(user::WHO_SEES).connect().await.unwrap();
    insert(&late, 20).await.unwrap();
    assert_eq!((rows(old, 20), rows(new, 20)), (0, 1));
    drop(late);
    // However it behaves, it stays fenced.
    old.restart().unwrap();
    new.kill().unwrap();
    until("the new one to be missed", async || {
        db.cluster().signal(ClusterSignal::Refresh).unwrap();
        status(&db, "m2").role == Role::Unknown
    })
    .await;
    assert_eq!(status(&db, "m1").role, Role::Fenced);
    let mut told = Vec::new();
    let wait = Duration::from_millis(50);
    while let Ok(Some(event)) = tokio::time::timeout(wait, events.next()).await {
        told.push(event);
    }
    let changed = |event: &ClusterEvent| matches!(event, ClusterEvent::PrimaryChanged { node, .. } if node == "m2");
    assert!(told.iter().any(changed), "{told:?}");
    assert!(told.contains(&ClusterEvent::PrimaryLost), "{told:?}");
}

/// What it has beyond the new one stays where it is: it cannot follow, and nobody reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_with_writes_of_its_own_serves_no_reads_as_a_replica() {
    let roles = Roles::new();
    let [old, new, other] = roles.nodes();
    let db = roles
        .builder(user::APPLICATION)
        .consistency(sealane::Consistency::Eventual)
        .check_interval(Duration::from_millis(50))
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    roles.wait_caught_up();
    old.stop().unwrap();
    new.promote().unwrap();
    other.follow(new).unwrap();
    until("a write", async || insert(&db, 2).await.is_ok()).await;
    old.start().unwrap();
    old.sql_in("app", "INSERT INTO note VALUES (100, 'alone')")
        .unwrap();
    old.rejoin(new).unwrap();
    until("it to be known as diverged", async || {
        let told = status(&db, "m1").ineligible;
        told.is_some_and(|told| told.as_str() == "ahead_of_the_primary")
    })
    .await;
    old.reset_statements().unwrap();
    for _ in 0..50 {
        assert_eq!(
            number(&db, "SELECT count(*) FROM note WHERE id = 100").await,
            0
        );
    }
    assert_eq!(old.statements_with("id = 100").unwrap(), 0);
}

/// T6: a frozen primary is found by what does not end, long before its check has timed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_primary_is_left_as_soon_as_another_one_is_there() {
    let roles = Roles::new();
    let [old, new, _] = roles.nodes();
    let db = roles
        .builder(user::WHO_SEES)
        .check_interval(MINUTE)
        .max_lag(None);
    let db = db.connect().await.unwrap();
    insert(&db, 1).await.unwrap();
    roles.wait_caught_up();
    let stuck = tokio::spawn({
        let db = db.clone();
        async move {
            use sea_orm::ConnectionTrait as _;
            let sql = "INSERT INTO note SELECT 2, sleep(60)";
            db.execute_unprepared(sql).await
        }
    });
    until("the write to run", async || {
        old.running("INSERT INTO note SELECT 2").unwrap() == 1
    })
    .await;
    old.freeze();
    new.promote().unwrap();
    let begun = Instant::now();
    let err = within(LIMIT, stuck).await.unwrap().unwrap_err();
    println!("the end of what was stuck: {:?}", begun.elapsed());
    assert_eq!(outcome(&err), Outcome::Unknown, "{err}");
    insert(&db, 3).await.unwrap();
    assert_eq!(rows(new, 3), 1);
    old.thaw();
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(&db, "m1", Role::Fenced).await;
}

/// T13: writes are held back meanwhile, and no statement fails.
async fn changes_as_planned(user: user::User) {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    };
    let roles = Roles::new();
    let [old, new, other] = roles.nodes();
    let db = roles.builder(user).connect().await.unwrap();
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let workers: Vec<_> = (0..4_i64)
        .map(|place| {
            let (db, stop, written) = (db.clone(), Arc::clone(&stop), Arc::clone(&written));
            tokio::spawn(async move {
                let mut n = place * 1_000_000;
                while !stop.load(Relaxed) {
                    n += 1;
                    insert(&db, n).await.unwrap();
                    let sql = format!("SELECT count(*) FROM note WHERE id = {n}");
                    assert_eq!(number(&db, &sql).await, 1, "its own write");
                    written.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for (old, new, other) in [(old, new, other), (new, old, other)] {
        let so_far = written.load(Relaxed);
        until("writes", async || written.load(Relaxed) > so_far + 50).await;
        let cluster = db.cluster();
        let pause = cluster.pause_writes(Duration::from_secs(10));
        let paused = within(LIMIT, pause).await.unwrap();
        old.demote().unwrap();
        new.wait_caught_up_with(old).unwrap();
        new.promote().unwrap();
        other.follow(new).unwrap();
        old.rejoin(new).unwrap();
        drop(paused);
        until_role(&db, new.name(), Role::Primary).await;
    }
    let so_far = written.load(Relaxed);
    until("writes", async || written.load(Relaxed) > so_far + 50).await;
    stop.store(true, Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let there = number(&db.primary(), COUNT).await;
    assert_eq!(u64::try_from(there).unwrap(), written.load(Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_change_and_the_way_back_fail_nothing() {
    changes_as_planned(user::WHO_SEES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_they_do_for_a_user_who_may_not_see_replication() {
    changes_as_planned(user::APPLICATION).await;
}
