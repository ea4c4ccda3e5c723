//! Replicas that die, freeze or vanish while they are read from (issue 2: "killed with -9 under 8 reading tasks").

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, EntityTrait, StreamTrait};
use sealane::{Builder, Error, Reason, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, Node, long_form};

use crate::{
    faults::{
        Decisions, LIMIT, Readers, Stage, eventually, item, running, status, until_ejected,
        until_running, until_used, within,
    },
    fixture::{builder, number, sql},
};

static STAGE: Stage = Stage::new();

const MS: Duration = Duration::from_millis(1);

/// Quick to find and to forget a fault, and without a pin: reads go to replicas.
fn quick(cluster: &Cluster) -> Builder {
    builder(cluster)
        .consistency(sealane::Consistency::Eventual)
        .connect_timeout(300 * MS)
        .check_timeout(300 * MS)
        .eject_first(50 * MS)
        .eject_max(500 * MS)
        .ramp_up(400 * MS)
}

fn standby<'c>(cluster: &'c Cluster, name: &str) -> &'c Node {
    cluster.standby(usize::from(name == "two"))
}

/// R4, R5, R8: the read moves on, the node is ejected, and nothing is sent there until a probe succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_while_replicas_are_killed() {
    let cluster = STAGE.whole().await;
    within(LIMIT * 3, async {
        let db = quick(&cluster).connect().await.unwrap();
        let readers = Readers::start(&db, 8);
        let rounds = if long_form() { 40 } else { 3 };
        let mut slowest = (Duration::ZERO, Duration::ZERO);
        for round in 0..rounds {
            let name = ["one", "two"][round % 2];
            readers.more(100).await;
            readers.slowest();
            standby(&cluster, name).kill().unwrap();
            until_ejected(&db, name).await;
            // What decided before the ejection has ended.
            readers.more(50).await;
            slowest.0 = slowest.0.max(readers.slowest());
            readers.decisions.take();
            readers.more(400).await;
            slowest.1 = slowest.1.max(readers.slowest());
            let nodes = readers.decisions.by_node();
            assert_eq!(nodes.get(name), None, "sent to a dead node: {nodes:?}");
            standby(&cluster, name).start().unwrap();
            until_used(&db, name).await;
            eventually("reads on the one that is back", async || {
                readers.decisions.by_node().contains_key(name)
            })
            .await;
        }
        let reads = readers.end().await;
        println!(
            "{rounds} kills under 8 tasks, {reads} reads; slowest around the kill {:?}, after the ejection {:?}",
            slowest.0, slowest.1
        );
    })
    .await;
}

/// R5: what has yielded never moves, what has not does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_on_a_killed_replica_moves_before_its_first_row_and_never_after() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = quick(&cluster).connect().await.unwrap();
        let decisions = Decisions::new();
        let many = "SELECT a.id, repeat('x', 10000) FROM item a, item b, item c";
        let mut rows = decisions.of(db.stream_raw(sql(&db, many))).await.unwrap();
        for _ in 0..10 {
            rows.next().await.unwrap().unwrap();
        }
        let name = decisions.by_node().into_keys().next().unwrap();
        standby(&cluster, &name).kill().unwrap();
        let mut yielded = 10;
        let err = loop {
            match rows.next().await.expect("an end without an error") {
                Ok(_) => yielded += 1,
                Err(err) => break err,
            }
        };
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(
            matches!(ours, Error::StreamLost { rows, .. } if *rows == yielded),
            "after {yielded}: {ours}"
        );
        assert!(ours.is_retriable());
        assert!(rows.next().await.is_none());
        drop(rows);

        standby(&cluster, &name).start().unwrap();
        until_used(&db, &name).await;
        let slow = "SELECT id FROM (SELECT id, pg_sleep(2) FROM item LIMIT 1) slow";
        let opened = tokio::spawn({
            let db = db.clone();
            async move {
                let stmt = sql(&db, slow);
                let rows = db.stream_raw(stmt).await.unwrap();
                rows.collect::<Vec<_>>().await
            }
        });
        let on = || {
            let mut standbys = cluster.standbys().iter();
            standbys.find(|node| running(node, "slow") == 1)
        };
        eventually("it runs somewhere", async || on().is_some()).await;
        // It is asleep there for longer than this takes, so whoever answers in the end is another node.
        on().unwrap().kill().unwrap();
        let rows = opened.await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].is_ok(), "{:?}", rows[0]);
    })
    .await;
}

/// R7: the primary takes so many, and the next one waits in line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_replicas_the_primary_takes_so_many_reads_at_once() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = quick(&cluster).diversion_limit(2).connect().await.unwrap();
        for standby in cluster.standbys() {
            standby.kill().unwrap();
        }
        for name in ["one", "two"] {
            // Nobody has to read for it: probes find out.
            until_ejected(&db, name).await;
        }
        assert_eq!(db.explain("SELECT id FROM item").reason, Reason::NoReplica);
        let decisions = Decisions::new();
        let slow = |text: &'static str| {
            let (db, decisions) = (db.clone(), decisions.clone());
            tokio::spawn(async move {
                let stmt = sql(&db, text);
                decisions.of(db.query_all_raw(stmt)).await
            })
        };
        let held = [
            slow("SELECT pg_sleep(1.5), 'held'"),
            slow("SELECT pg_sleep(1.5), 'held'"),
        ];
        until_running(cluster.primary(), "held", 2).await;
        let third = tokio::spawn({
            let db = db.clone();
            async move { item::Entity::find().one(&db).await }
        });
        // What has to be on the primary anyway is not counted.
        number(&db.primary(), "SELECT count(*) FROM item").await;
        db.execute_unprepared("UPDATE item SET name = name WHERE id = 1")
            .await
            .unwrap();
        assert!(
            !third.is_finished(),
            "the third one had no place to wait for"
        );
        for held in held {
            held.await.unwrap().unwrap();
        }
        third.await.unwrap().unwrap();
        let taken = decisions.take();
        let expected = ("primary".to_owned(), "no_replica".to_owned());
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(expected, 2)]);
        item::Entity::find().one(&db).await.unwrap();

        // A stream and a read-only transaction hold their places as long as they live.
        let mut stream = db
            .stream_raw(sql(&db, "SELECT id FROM item"))
            .await
            .unwrap();
        stream.next().await.unwrap().unwrap();
        let second = db
            .stream_raw(sql(&db, "SELECT id FROM item"))
            .await
            .unwrap();
        let third = tokio::spawn({
            let db = db.clone();
            async move { item::Entity::find().one(&db).await }
        });
        tokio::time::sleep(100 * MS).await;
        assert!(!third.is_finished(), "more than the limit");
        drop((stream, second));
        third.await.unwrap().unwrap();
    })
    .await;
}

/// R8: back, and their share grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_back_ramps_up() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let ramp = Duration::from_secs(3);
        let db = quick(&cluster).ramp_up(ramp).connect().await.unwrap();
        // Asked without sending, so that nobody's load moves the latencies that the shares follow as well.
        let share = || {
            let asked = (0..600).map(|_| db.explain("SELECT id FROM item").node);
            asked.filter(|node| node.as_deref() == Ok("two")).count() as f64 / 600.0
        };
        let (back, shares) = loop {
            standby(&cluster, "two").kill().unwrap();
            until_ejected(&db, "two").await;
            standby(&cluster, "two").start().unwrap();
            let begun = Instant::now();
            until_used(&db, "two").await;
            let (back, used) = (begun.elapsed(), Instant::now());
            let mut shares = vec![share()];
            for window in 1..=5_u32 {
                tokio::time::sleep_until((used + ramp / 4 * window).into()).await;
                shares.push(share());
            }
            // On a busy machine one may answer a check so late that it is out of the window of latencies for a moment, or
            // miss it: that is no answer.
            if shares.iter().all(|share| *share > 0.0 && *share < 1.0) {
                break (back, shares);
            }
            println!("one of them was not used for a moment: {shares:.2?}");
        };
        println!("back after {back:?}; its share at once, in quarters of the ramp, and after it: {shares:.2?}");
        assert!(back < Duration::from_secs(5), "eject_max is half a second");
        assert!(shares[0] < 0.35, "{shares:?}");
        assert!(shares[5] > 2.0 * shares[0], "{shares:?}");
        let readers = Readers::start(&db, 2);
        eventually("reads on it", async || readers.decisions.by_node().contains_key("two")).await;
        readers.end().await;
    })
    .await;
}

/// R4, T6: a server that stands still for a moment loses nothing; only a verdict ends what runs there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_on_a_replica_that_freezes_for_a_moment_goes_on() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = quick(&cluster).connect().await.unwrap();
        db.cluster().drain("two").unwrap();
        eventually("drained", async || status(&db, "two").ineligible.is_some()).await;
        let reading = tokio::spawn({
            let db = db.clone();
            async move { number(&db, "SELECT count(*) FROM (SELECT pg_sleep(0.4)) AS brief").await }
        });
        let node = standby(&cluster, "one");
        until_running(node, "brief", 1).await;
        node.freeze();
        tokio::time::sleep(500 * MS).await;
        node.thaw();
        assert_eq!(reading.await.unwrap(), 1);
        assert_eq!(node.statements_with("brief").unwrap(), 1);
    })
    .await;
}

/// R4, R8, T6: probes eject it, what runs there is ended by that verdict, and then moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_freezes() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = quick(&cluster).connect().await.unwrap();
        let node = standby(&cluster, "one");
        silent(&db, "one", || node.freeze(), || node.thaw()).await;
    })
    .await;
}

/// R4, R8, T6: the same behind a network that swallows everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_when_a_replica_is_cut_off_without_a_word() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let hole = Forwarder::to(cluster.standby(0).addr()).unwrap();
        let one = cluster.standby(0).url_at(hole.addr(), "postgres");
        let db = RoutedConnection::builder()
            .primary(cluster.primary().url())
            .replicas([
                format!("{one}?name=one"),
                format!("{}?name=two", cluster.standby(1).url()),
            ])
            .consistency(sealane::Consistency::Eventual)
            .connect_timeout(300 * MS)
            .check_timeout(300 * MS)
            .eject_max(500 * MS)
            .connect()
            .await
            .unwrap();
        silent(&db, "one", || hole.black_hole(), || hole.heal()).await;
    })
    .await;
}

#[allow(clippy::print_stdout, reason = "figures are printed, not asserted")]
async fn silent(db: &RoutedConnection, name: &str, silence: impl Fn(), speak: impl Fn()) {
    let readers = Readers::start(db, 8);
    readers.more(200).await;
    readers.slowest();
    let begun = Instant::now();
    silence();
    until_ejected(db, name).await;
    let ejected = begun.elapsed();
    eventually("what ran there has moved", async || {
        status(db, name).in_flight == 0
    })
    .await;
    let moved = begun.elapsed();
    let longest = readers.slowest();
    readers.decisions.take();
    readers.more(400).await;
    let after = readers.slowest();
    let nodes = readers.decisions.by_node();
    assert_eq!(nodes.get(name), None, "sent to a silent node: {nodes:?}");
    speak();
    until_used(db, name).await;
    eventually("reads on the one that is back", async || {
        readers.decisions.by_node().contains_key(name)
    })
    .await;
    let reads = readers.end().await;
    println!(
        "silent: ejected after {ejected:?}, the last statement there moved after {moved:?}; \
         slowest read until then {longest:?}, after the ejection {after:?}; {reads} reads"
    );
}

/// R4: a full pool on a frozen node is no reason to fail: the read moves on when no connection comes in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_gets_no_connection_of_a_frozen_replica_moves_on_in_time() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = quick(&cluster)
            .replica_max_connections(1)
            .replica_acquire_timeout(200 * MS)
            .connect_timeout(Duration::from_secs(5))
            .connect()
            .await
            .unwrap();
        let replica = db.in_zone("none");
        let node = standby(&cluster, "one");
        node.freeze();
        let decisions = Decisions::new();
        let mut reads = Vec::new();
        for _ in 0..20 {
            let (db, decisions) = (replica.clone(), decisions.clone());
            reads.push(tokio::spawn(async move {
                let begun = Instant::now();
                let read = decisions.of(item::Entity::find_by_id(1).one(&db)).await;
                read.map(|_| begun.elapsed())
            }));
        }
        // One of them sits on the frozen node's only connection; the others need not wait for it.
        eventually("all but those that run there have read", async || {
            reads.iter().filter(|read| !read.is_finished()).count() <= 1
        })
        .await;
        assert!(
            status(&db, "one").ineligible.is_none(),
            "it was found dead: the test shows nothing"
        );
        node.thaw();
        let mut slowest = Duration::ZERO;
        for read in reads {
            slowest = slowest.max(read.await.unwrap().unwrap());
        }
        println!(
            "slowest of 20 reads with a frozen full pool: {slowest:?}; {:?}",
            decisions.take()
        );
    })
    .await;
}
