//! Positions by GTID: a read goes to a replica that is known to have what its session wrote, and to no other (rules C15, C16).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{NodeConfig, Reason, Role, RoutedConnection};
use sealane_harness::mariadb::{Flavour, Node};

use super::stage::{Stage, builder, create, own_cluster, sent};
use crate::{faults::within, fixture::number, heard::Heard, place::until};

const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";
const COUNT: &str = "SELECT count(*) FROM note";
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until a read of what was written would go to a replica.
async fn until_covered(db: &RoutedConnection) {
    until("a replica that has it", async || {
        number(db, COUNT).await;
        db.explain(COUNT).role == Some(Role::Replica)
    })
    .await;
}

#[tokio::test]
async fn what_was_written_is_read_on_a_replica_once_that_has_it() {
    let stage = Stage::new("positions_read").await;
    let db = stage.builder().connect().await.unwrap();
    for n in 1..=5 {
        db.execute_unprepared(INSERT).await.unwrap();
        until_covered(&db).await;
        let before = stage.sent(COUNT);
        assert_eq!(number(&db, COUNT).await, n);
        let after = stage.sent(COUNT);
        assert_eq!(after[0], before[0], "not on the primary");
    }
}

#[tokio::test]
async fn only_the_replica_that_keeps_up_serves() {
    let stage = Stage::new("positions_one").await;
    let db = stage.builder().connect().await.unwrap();
    let [late, prompt] = stage.replicas() else {
        panic!()
    };
    late.stop_applier().unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    until_covered(&db).await;
    late.reset_statements().unwrap();
    prompt.reset_statements().unwrap();
    for _ in 0..50 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    assert_eq!(late.statements_with(COUNT).unwrap(), 0);
    assert!(prompt.statements_with(COUNT).unwrap() > 0);
    late.start_applier().unwrap();
}

/// Every read sees every write before it, while the appliers stop and go on and a replica is started again; and replicas serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_while_replicas_stop_lag_and_come_back() {
    let stage = Stage::new("positions_history").await;
    let db = stage.builder().connect().await.unwrap();
    let [one, two] = stage.replicas() else {
        panic!()
    };
    let rounds = if sealane_harness::long_form() {
        2000
    } else {
        300
    };
    let mut served = 0_u32;
    for n in 1..=rounds {
        db.execute_unprepared(INSERT).await.unwrap();
        for _ in 0..4 {
            served += u32::from(db.explain(COUNT).reason == Reason::Replica);
            assert_eq!(number(&db, COUNT).await, n, "a stale read");
            tokio::time::sleep(Duration::from_micros(fastrand::u64(..800))).await;
        }
        match n % 60 {
            10 => one.stop_applier().unwrap(),
            20 => one.start_applier().unwrap(),
            30 => two.kill().unwrap(),
            35 => two.start().unwrap(),
            45 => one.delay(1).unwrap(),
            55 => one.delay(0).unwrap(),
            _ => {}
        }
    }
    println!("{served} of {} reads would go to a replica", 4 * rounds);
    assert!(served > 0);
}

/// An old primary that has written alone shows numbers as great as the new one's, of another history.
#[tokio::test]
async fn a_server_that_has_written_alone_serves_no_read_of_a_session_that_wrote() {
    let cluster = own_cluster(2);
    let [old, new, other] = cluster.nodes() else {
        panic!()
    };
    create(old, "app");
    cluster.wait_caught_up().unwrap();
    let db = builder(&cluster, "app").connect().await.unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    until_covered(&db).await;
    cluster.wait_caught_up().unwrap();
    new.promote().unwrap();
    other.follow(new).unwrap();
    // What nobody else has, and its own position as if it had come by replication.
    for _ in 0..20 {
        old.sql_in("app", "INSERT INTO note (text) VALUES ('alone')")
            .unwrap();
    }
    old.demote().unwrap();
    if old.flavour() == Flavour::MariaDb {
        old.sql("set global gtid_slave_pos = @@global.gtid_binlog_pos")
            .unwrap();
    }
    let named = |node: &Node, primary: bool| {
        let url = format!("{}?name={}", node.url_of("app"), node.name());
        match primary {
            true => NodeConfig::primary(url).unwrap(),
            false => NodeConfig::replica(url).unwrap(),
        }
    };
    let list = [named(new, true), named(old, false), named(other, false)];
    within(LIMIT, db.cluster().replace_nodes(list))
        .await
        .unwrap();
    for n in 2..=10 {
        db.execute_unprepared(INSERT).await.unwrap();
        until_covered(&db).await;
        old.reset_statements().unwrap();
        for _ in 0..10 {
            assert_eq!(number(&db, COUNT).await, n);
        }
        assert_eq!(old.statements_with(COUNT).unwrap(), 0);
    }
    let served = sent(&cluster, COUNT);
    assert!(served[2] > 0, "the other one serves: {served:?}");
}

/// Positions of several domains have no common order: nothing is guessed, and it is said once.
#[tokio::test]
async fn several_domains_leave_reads_on_the_primary() {
    // MySQL has none.
    if Flavour::asked() == Flavour::MySql {
        return;
    }
    let cluster = own_cluster(1);
    let primary = cluster.primary();
    create(primary, "app");
    primary
        .sql("set session gtid_domain_id = 7; create table other (id int)")
        .unwrap();
    cluster.wait_caught_up().unwrap();
    let (heard, _listening) = Heard::listen();
    let db = builder(&cluster, "app").connect().await.unwrap();
    cluster.replica(0).stop_applier().unwrap();
    for n in 1..=10 {
        db.execute_unprepared(INSERT).await.unwrap();
        assert_eq!(number(&db, COUNT).await, n);
    }
    let said = heard.warnings();
    let domains = said.iter().filter(|one| one.contains("domains")).count();
    assert_eq!(domains, 1, "{said:#?}");
}

/// What one handle wrote another one reads by its bookmark.
#[tokio::test]
async fn a_bookmark_carries_a_position() {
    let stage = Stage::new("positions_bookmark").await;
    let db = stage.builder().connect().await.unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    let mark = db.bookmark().await.unwrap();
    let begins = match stage.primary().flavour() {
        Flavour::MariaDb => "1g.0.",
        Flavour::MySql => "1s.s",
    };
    assert!(mark.to_string().starts_with(begins), "{mark}");
    let reader = db.session_from(&mark);
    assert_eq!(number(&reader, COUNT).await, 1);
    until_covered(&reader).await;
    assert_eq!(number(&reader, COUNT).await, 1);
}

/// Each of several who write and read at the same time, on connections of their own, reads what it wrote; and replicas serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_beside_each_other_read_what_they_wrote() {
    let stage = Stage::new("positions_writers").await;
    let db = stage.builder().connect().await.unwrap();
    let writer = |own: u32| {
        let session = db.empty_session();
        tokio::spawn(async move {
            let (write, read) = (
                format!("INSERT INTO note (text) VALUES ('w{own}')"),
                format!("SELECT count(*) FROM note WHERE text = 'w{own}'"),
            );
            for n in 1..=60 {
                session.execute_unprepared(&write).await.unwrap();
                // What fails in between changes nothing of what is to be seen.
                let twice = "INSERT INTO note SELECT * FROM note LIMIT 1";
                session.execute_unprepared(twice).await.unwrap_err();
                for _ in 0..3 {
                    assert_eq!(number(&session, &read).await, n, "a stale read");
                    tokio::time::sleep(Duration::from_micros(fastrand::u64(..2000))).await;
                }
            }
        })
    };
    let writers: Vec<_> = (0..6).map(writer).collect();
    let [one, two] = stage.replicas() else {
        panic!()
    };
    for _ in 0..3 {
        one.stop_applier().unwrap();
        two.delay(1).unwrap();
        one.start_applier().unwrap();
        two.delay(0).unwrap();
    }
    for writer in writers {
        within(LIMIT, writer).await.unwrap();
    }
    let sent = stage.sent("WHERE text = 'w");
    println!("reads of each node: {sent:?}");
    assert!(sent[1] + sent[2] > 0, "{sent:?}");
}
