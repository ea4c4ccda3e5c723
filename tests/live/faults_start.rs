//! Starting while servers are down, and ending: nothing is left of a handle that was dropped (T14).

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, EntityTrait, StreamTrait, TransactionTrait};
use sealane::{Builder, Error, Outcome, Reason, RoutedConnection};
use sealane_harness::{Cluster, Forwarder};
use tokio::runtime::{Handle, Runtime};
use tracing::{Dispatch, instrument::WithSubscriber};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use crate::{
    faults::{
        Decisions, ITEMS, LIMIT, Stage, eventually, item, outcome, status, until_used, within,
    },
    fixture::{builder, number, sql},
};

static STAGE: Stage = Stage::new();

const MS: Duration = Duration::from_millis(1);

fn quick(cluster: &Cluster) -> Builder {
    builder(cluster)
        .consistency(sealane::Consistency::Eventual)
        .connect_timeout(400 * MS)
        .check_timeout(400 * MS)
        .eject_first(50 * MS)
        .eject_max(300 * MS)
}

/// T14: replicas may be down, refusing or silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_down_at_the_start_are_used_once_they_come_up() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        cluster.standby(0).kill().unwrap();
        cluster.standby(1).freeze();
        let begun = Instant::now();
        let db = quick(&cluster).connect().await.unwrap();
        println!("connected after {:?}", begun.elapsed());
        for name in ["one", "two"] {
            assert_eq!(
                status(&db, name).ineligible,
                Some(sealane::Ineligible::Ejected)
            );
        }
        assert_eq!(db.explain("SELECT id FROM item").reason, Reason::NoReplica);
        item::Entity::find().one(&db).await.unwrap();
        cluster.standby(0).start().unwrap();
        cluster.standby(1).thaw();
        for name in ["one", "two"] {
            until_used(&db, name).await;
        }
        assert_eq!(
            number(&db.replica(), "SELECT count(*) FROM item").await,
            ITEMS
        );
    })
    .await;
}

/// T14: without the primary there is an error that names it, within the time for getting a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_stays_down_at_the_start_is_named() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let hole = Forwarder::to(cluster.primary().addr()).unwrap();
        let main = cluster.primary().url_at(hole.addr(), "postgres");
        for silent in [false, true] {
            if silent {
                hole.heal();
                hole.black_hole();
            } else {
                hole.cut();
            }
            let begun = Instant::now();
            let err = RoutedConnection::builder()
                .primary(format!("{main}?name=main"))
                .replica(cluster.standby(0).url())
                .connect_timeout(400 * MS)
                .check_timeout(400 * MS)
                .acquire_timeout(500 * MS)
                .connect()
                .await
                .unwrap_err();
            println!("silent: {silent}; after {:?}: {err}", begun.elapsed());
            assert!(
                matches!(&err, Error::Start { node, .. } if node == "main"),
                "{err}"
            );
            // Without these limits it would be half a minute.
            assert!(begun.elapsed() < Duration::from_secs(15));
        }
    })
    .await;
}

/// T14: read-only start when configured; the primary is used once it comes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_the_primary_serves_reads_from_replicas() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        cluster.primary().kill().unwrap();
        let db = quick(&cluster)
            .start_without_primary(true)
            .acquire_timeout(500 * MS)
            .connect()
            .await
            .unwrap();
        let decisions = Decisions::new();
        for _ in 0..20 {
            let read = item::Entity::find_by_id(1).one(&db);
            decisions.of(read).await.unwrap().unwrap();
        }
        let taken = decisions.take();
        assert!(
            taken.keys().all(|(node, reason)| node != "primary" && reason == "replica"),
            "{taken:?}"
        );
        let err = db.execute_unprepared("INSERT INTO log VALUES (1)").await.unwrap_err();
        assert_eq!(outcome(&err), Outcome::NotExecuted, "{err}");
        cluster.primary().start().unwrap();
        eventually("writes", async || {
            db.execute_unprepared("INSERT INTO log VALUES (1)").await.is_ok()
        })
        .await;
        // What only its own catalog says is known by then as well.
        cluster
            .primary()
            .sql("CREATE OR REPLACE FUNCTION three() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 3'")
            .unwrap();
        db.execute_unprepared("CREATE TABLE IF NOT EXISTS later (n int)").await.unwrap();
        cluster.wait_caught_up().unwrap();
        eventually("the catalog", async || {
            db.explain("SELECT three(), count(*) FROM later").reason == Reason::Replica
        })
        .await;
    })
    .await;
}

/// Tasks stop with what they look after, and connections with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_the_last_handle_is_dropped() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let sessions = || -> u64 {
            let nodes = cluster.nodes().iter().filter(|node| node.is_running());
            nodes
                .map(|node| node.connections().unwrap().values().sum::<u64>())
                .sum()
        };
        let before = tasks();
        assert_eq!(sessions(), 0);
        for round in 0..3 {
            let db = quick(&cluster).connect().await.unwrap();
            let other = db.replica();
            for _ in 0..5 {
                item::Entity::find().one(&db).await.unwrap();
                db.execute_unprepared("INSERT INTO log VALUES (1)")
                    .await
                    .unwrap();
            }
            number(db.concrete(), "SELECT count(*) FROM log").await;
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared("INSERT INTO log VALUES (2)")
                .await
                .unwrap();
            let mut rows = other
                .stream_raw(sql(&db, "SELECT id FROM item"))
                .await
                .unwrap();
            rows.next().await.unwrap().unwrap();
            if round == 1 {
                // While something is being looked for.
                cluster.standby(0).kill().unwrap();
            }
            drop(db);
            drop((rows, txn));
            assert!(sessions() > 0 && tasks() > before);
            drop(other);
            let begun = Instant::now();
            eventually("no task and no session", async || {
                tasks() <= before && sessions() == 0
            })
            .await;
            println!("round {round}: nothing left after {:?}", begun.elapsed());
            cluster.standby(0).start().unwrap();
        }
    })
    .await;
}

/// `close` closes what is there, and says so to those who come later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_handle_has_no_connections_and_fails_at_once() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = quick(&cluster).connect().await.unwrap();
        item::Entity::find().one(&db).await.unwrap();
        db.close_by_ref().await.unwrap();
        let begun = Instant::now();
        let read = item::Entity::find().one(&db).await.unwrap_err();
        let write = db
            .execute_unprepared("INSERT INTO log VALUES (1)")
            .await
            .unwrap_err();
        println!("after {:?}: {read}; {write}", begun.elapsed());
        // Nor as long as statements queue.
        assert!(begun.elapsed() < Duration::from_secs(15));
        assert_eq!(outcome(&write), Outcome::NotExecuted);
    })
    .await;
}

/// A static handle shared by several `#[tokio::test]`s goes on, and one warning says what it lacks.
#[test]
fn a_handle_goes_on_after_its_runtime_has_ended_and_warns_once() {
    let first = Runtime::new().unwrap();
    let cluster = first.block_on(STAGE.whole());
    let db = first.block_on(within(LIMIT, async {
        let db = quick(&cluster).connect().await.unwrap();
        // Several connections of each pool belong to the first runtime.
        let reads = (0..6).map(|_| {
            let db = db.clone();
            tokio::spawn(
                async move { number(&db, "SELECT count(*) FROM item, pg_sleep(0.1)").await },
            )
        });
        for read in reads.collect::<Vec<_>>() {
            assert_eq!(read.await.unwrap(), ITEMS);
        }
        db.execute_unprepared("INSERT INTO log VALUES (1)")
            .await
            .unwrap();
        db
    }));
    first.shutdown_timeout(Duration::from_secs(5));
    let warnings = Warnings::default();
    for round in 2..4 {
        let next = Runtime::new().unwrap();
        let using = async {
            for _ in 0..20 {
                item::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
            }
            db.execute_unprepared(&format!("INSERT INTO log VALUES ({round})"))
                .await
                .unwrap();
            let txn = db.begin().await.unwrap();
            txn.execute_unprepared(&format!("INSERT INTO log VALUES ({round})"))
                .await
                .unwrap();
            txn.commit().await.unwrap();
            assert_eq!(
                number(
                    &db.primary(),
                    &format!("SELECT count(*) FROM log WHERE n = {round}")
                )
                .await,
                2
            );
            // What needs the topology says so.
            assert!(db.cluster().replace_nodes([]).await.is_err());
            db.cluster().export_metrics().await.unwrap_err();
        };
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(warnings.clone()));
        next.block_on(within(LIMIT, using).with_subscriber(dispatch));
    }
    let said = warnings.0.lock().unwrap().clone();
    let gone = said.iter().filter(|line| line.contains("runtime")).count();
    assert_eq!(gone, 1, "{said:?}");
}

/// The texts of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        if *event.metadata().level() == tracing::Level::WARN {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}
