//! A promotion is followed, by whatever tells of it.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{ClusterEvent, ClusterSignal, Error, Outcome, Role};
use sealane_harness::Stop;

use super::{
    COUNT, MS, blocking, builder, cluster, connect, insert, promote, rows, soon, status,
    until_role, until_used,
};
use crate::{fixture::number, place::until};

const MINUTE: Duration = Duration::from_mins(1);

/// T9, T10: no check would notice it for a minute; the first statement that fails does, and no pool is replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_statement_finds_the_new_primary_long_before_the_next_check() {
    let cluster = cluster();
    let db = connect(&cluster, MINUTE).await;
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    insert(&db, 1).await.unwrap();
    cluster.wait_caught_up().unwrap();
    old.stop(Stop::Fast).unwrap();
    promote(new).await;
    let begun = Instant::now();
    // One that met a connection which its server had cut may not know its outcome.
    until("a write", async || insert(&db, 2).await.is_ok()).await;
    soon("the first write after the promotion", begun);
    assert_eq!((rows(new, 2), status(&db, new).generation), (1, 0));
    assert_eq!(status(&db, new).role, Role::Primary);
    assert_eq!(status(&db, other).generation, 0);
    // The old one comes back as a standby, and is one.
    let (old, new, other) = (old.clone(), new.clone(), other.clone());
    let (old, other) = blocking(move || {
        other.repoint(&new).unwrap();
        old.rewind_to(&new).unwrap();
        (old, other)
    })
    .await;
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_used(&db, &old).await;
    until_used(&db, &other).await;
    insert(&db, 3).await.unwrap();
    assert_eq!(number(&db, COUNT).await, 3);
}

/// Promise 4: the old primary goes on and takes writes; once the new one was seen, it gets none of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_stays_writable_gets_nothing_once_the_application_has_said_so() {
    let cluster = cluster();
    let db = connect(&cluster, MINUTE).await;
    let mut events = db.cluster().subscribe().unwrap();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    // A connection that is still being opened would meet a primary, and tell it; the pool counts it already. The server
    // does not: two for its probes and positions, and two that it is kept ready with.
    until("every connection of a standby to have asked", async || {
        let asked =
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE 'SELECT %'";
        new.sql(asked).unwrap().trim() == "4"
    })
    .await;
    promote(new).await;
    // Not a write of the handle's: what it asks of the standbys around one would tell it too.
    old.sql("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(status(&db, new).role, Role::Replica, "nobody has told");
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    let begun = Instant::now();
    until_role(&db, new, Role::Primary).await;
    soon("the word of the application", begun);
    for n in 2..20 {
        insert(&db, n).await.unwrap();
        assert_eq!((rows(old, n), rows(new, n)), (0, 1));
    }
    assert_eq!(status(&db, old).role, Role::Fenced);
    // However it behaves, it stays fenced.
    blocking({
        let old = old.clone();
        move || old.restart().unwrap()
    })
    .await;
    new.stop(Stop::Fast).unwrap();
    until("the new one to be missed", async || {
        db.cluster().signal(ClusterSignal::Refresh).unwrap();
        status(&db, new).role == Role::Unknown
    })
    .await;
    assert_eq!(status(&db, old).role, Role::Fenced);
    let mut told = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(50 * MS, events.next()).await {
        told.push(event);
    }
    let changed = |event: &ClusterEvent| matches!(event, ClusterEvent::PrimaryChanged { node, epoch: Some(2), without: Some(_) } if node == new.name());
    assert!(told.iter().any(changed), "{told:?}");
    assert!(told.contains(&ClusterEvent::PrimaryLost), "{told:?}");
}

/// T7: a commit that waits for a standby on the living old primary ends with the new epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_on_the_old_primary_ends_when_the_new_one_is_seen() {
    let cluster = cluster();
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let db = connect(&cluster, 100 * MS).await;
    for standby in [new, other] {
        standby.set("primary_conninfo", "").unwrap();
    }
    old.set("synchronous_standby_names", "ANY 1 (*)").unwrap();
    until("nobody to receive it", async || {
        let names = old.sql("SHOW synchronous_standby_names").unwrap();
        let senders = old.sql("SELECT count(*) FROM pg_stat_replication").unwrap();
        (names.trim(), senders.trim()) == ("ANY 1 (*)", "0")
    })
    .await;
    let waiting = tokio::spawn({
        let db = db.clone();
        async move {
            let ended = db.execute_unprepared("INSERT INTO t VALUES (1)").await;
            (ended, Instant::now())
        }
    });
    until("the write to wait", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        old.sql(sql).unwrap().trim() == "1"
    })
    .await;
    let seen = tokio::spawn({
        let (db, new) = (db.clone(), new.clone());
        async move {
            while status(&db, &new).role != Role::Primary {
                tokio::time::sleep(MS).await;
            }
            Instant::now()
        }
    });
    promote(new).await;
    let seen = seen.await.unwrap();
    let (ended, at) = waiting.await.unwrap();
    let err = ended.unwrap_err();
    assert_eq!(
        Error::from_db_err(&err).unwrap().outcome(),
        Outcome::Unknown,
        "{err}"
    );
    let late = at.saturating_duration_since(seen);
    println!("the caller heard of it {late:?} after the new epoch");
    assert!(late <= super::SOON, "{late:?}");
    insert(&db, 2).await.unwrap();
    assert_eq!(rows(new, 2), 1);
}

/// T6: a frozen primary is found by what does not end, long before its check has timed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_primary_is_left_as_soon_as_another_one_is_there() {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let db = connect(&cluster, MINUTE).await;
    insert(&db, 1).await.unwrap();
    cluster.wait_caught_up().unwrap();
    let stuck = tokio::spawn({
        let db = db.clone();
        async move {
            db.execute_unprepared("INSERT INTO t SELECT 2 FROM pg_sleep(60)")
                .await
        }
    });
    // What has not been sent is not stuck there.
    let running = "SELECT count(*) FROM pg_stat_activity \
                   WHERE state = 'active' AND query LIKE 'INSERT INTO t SELECT 2%'";
    until("the write to run", async || {
        old.sql(running).unwrap().trim() == "1"
    })
    .await;
    old.freeze();
    promote(new).await;
    let begun = Instant::now();
    let err = stuck.await.unwrap().unwrap_err();
    soon("the end of what was stuck", begun);
    assert_eq!(
        Error::from_db_err(&err).unwrap().outcome(),
        Outcome::Unknown,
        "{err}"
    );
    insert(&db, 3).await.unwrap();
    assert_eq!(rows(new, 3), 1);
    old.thaw();
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(&db, old, Role::Fenced).await;
}

/// T8: the primary refuses writes by a setting: the caller hears it at once, and nothing else changes.
#[tokio::test]
async fn a_primary_that_is_read_only_keeps_its_role_and_its_refusal_goes_to_the_caller() {
    let cluster = cluster();
    let db = builder(&cluster).connect().await.unwrap();
    cluster
        .primary()
        .set("default_transaction_read_only", "on")
        .unwrap();
    until("the setting", async || {
        cluster
            .primary()
            .sql("SHOW default_transaction_read_only")
            .unwrap()
            .trim()
            == "on"
    })
    .await;
    let begun = Instant::now();
    let err = insert(&db, 1).await.unwrap_err();
    soon("the refusal", begun);
    assert!(err.to_string().contains("read-only transaction"), "{err}");
    assert!(
        Error::from_db_err(&err).is_none(),
        "it is the server's own: {err}"
    );
    assert_eq!(status(&db, cluster.primary()).role, Role::Primary);
    assert_eq!(number(&db, COUNT).await, 0);
    let counted = crate::heard::counter(&db, "sealane_primary_refuses_writes_total").await;
    assert_eq!(counted, 1);
}

/// T12: several hosts in one URL: whichever of them is the primary when the process starts, and later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_with_several_hosts_finds_the_primary_among_them() {
    let cluster = cluster();
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let hosts = [other, old, new].map(|node| format!("127.0.0.1:{}", node.port()));
    let url = format!("postgres://postgres@{}/postgres", hosts.join(","));
    let connect = async || {
        let db = sealane::RoutedConnection::builder().primary(&url);
        db.check_interval(100 * MS)
            .max_lag(None)
            .acquire_timeout(5_000 * MS)
            .connect()
            .await
    };
    let db = connect().await.unwrap();
    let primary = |db: &sealane::RoutedConnection| {
        let topology = db.cluster().topology();
        let nodes = topology.nodes.iter();
        let primaries: Vec<_> = nodes.filter(|node| node.role == Role::Primary).collect();
        assert_eq!(primaries.len(), 1, "{topology}");
        primaries[0].name.clone()
    };
    let at = |node: &sealane_harness::Node| format!("127.0.0.1:{}", node.port());
    assert_eq!(primary(&db), at(old));
    insert(&db, 1).await.unwrap();
    until("a replica", async || {
        number(&db, COUNT).await == 1 && db.explain(COUNT).reason == sealane::Reason::Replica
    })
    .await;
    old.kill().unwrap();
    promote(new).await;
    // The first one may meet a connection that was cut with its server.
    until("a write", async || insert(&db, 2).await.is_ok()).await;
    assert_eq!((primary(&db), rows(new, 2)), (at(new), 1));
    drop(db);
    // The next process starts with the same words.
    let db = connect().await.unwrap();
    insert(&db, 3).await.unwrap();
    assert_eq!((primary(&db), rows(new, 3)), (at(new), 1));
    drop(db);
    new.kill().unwrap();
    let err = connect().await.unwrap_err();
    assert!(
        err.to_string()
            .contains("none of the nodes says that it is the primary"),
        "{err}"
    );
}
