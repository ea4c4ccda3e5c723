//! Hot swaps of the topology under load: nothing short fails, nothing leaks (R8, issue 2).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, EntityTrait, StreamTrait, TransactionOptions,
    TransactionTrait,
};
use sealane::{Builder, Error, NodeConfig, Outcome, Reason, Role, RoutedConnection};
use sealane_harness::{Cluster, Forwarder, long_form};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    faults::{
        Decisions, LIMIT, Readers, Stage, eventually, item, outcome, running, status,
        until_running, within,
    },
    fixture::{cluster, number, sql},
};

static STAGE: Stage = Stage::new();

const MS: Duration = Duration::from_millis(1);

/// Its connections are known by this name to the servers.
const NAME: &str = "application_name=swaps";

fn primary(cluster: &Cluster) -> NodeConfig {
    NodeConfig::primary(format!("{}?name=primary&{NAME}", cluster.primary().url())).unwrap()
}

fn replica(url: &str, name: &str) -> NodeConfig {
    NodeConfig::replica(format!("{url}?{NAME}"))
        .unwrap()
        .with_name(name)
}

/// The standbys as `one` and `two`.
fn replicas(cluster: &Cluster) -> [NodeConfig; 2] {
    ["one", "two"].map(|name| {
        let standby = cluster.standby(usize::from(name == "two"));
        replica(&standby.url(), name)
    })
}

fn builder(cluster: &Cluster) -> Builder {
    let [one, two] = replicas(cluster);
    RoutedConnection::builder()
        .node(primary(cluster))
        .node(one)
        .node(two)
        .consistency(sealane::Consistency::Eventual)
}

/// What the servers count of our pools.
fn sessions(cluster: &Cluster) -> u64 {
    let nodes = cluster.nodes().iter().filter(|node| node.is_running());
    nodes
        .map(|node| {
            node.connections()
                .unwrap()
                .get("swaps")
                .copied()
                .unwrap_or(0)
        })
        .sum()
}

/// What the pools of the snapshot count of themselves.
fn pooled(db: &RoutedConnection) -> u64 {
    let nodes = db.cluster().topology().nodes;
    nodes.iter().map(|node| u64::from(node.connections)).sum()
}

/// Tasks that write, in four ways by turns. Nobody takes the primary away, so none fails.
struct Writers {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result<(), DbErr>>>,
}

impl Writers {
    fn start(db: &RoutedConnection, tasks: usize) -> Self {
        let (stop, written) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let task = |_| {
            let (db, stop, written) = (db.clone(), Arc::clone(&stop), Arc::clone(&written));
            tokio::spawn(async move {
                for turn in 0.. {
                    if stop.load(Relaxed) {
                        break;
                    }
                    work(&db, turn).await?;
                    written.fetch_add(1, Relaxed);
                    tokio::time::sleep(MS).await;
                }
                Ok(())
            })
        };
        let tasks = (0..tasks).map(task).collect();
        Self {
            stop,
            written,
            tasks,
        }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.unwrap().unwrap();
        }
        self.written.load(Relaxed)
    }
}

/// Each leaves one row in the log, or reads for a while where a swap may come.
async fn work(db: &RoutedConnection, turn: u32) -> Result<(), DbErr> {
    const INSERT: &str = "INSERT INTO log VALUES (1)";
    match turn % 4 {
        0 => {
            db.execute_unprepared(INSERT).await?;
        }
        1 => {
            let txn = db.begin().await?;
            txn.execute_unprepared(INSERT).await?;
            txn.commit().await?;
        }
        2 => {
            let rows = db.stream_raw(sql(db, "SELECT id FROM item")).await?;
            let rows = rows.collect::<Vec<_>>().await;
            assert_eq!(rows.len(), 100);
            rows.into_iter().collect::<Result<Vec<_>, _>>()?;
            db.execute_unprepared(INSERT).await?;
        }
        _ => {
            let read_only = TransactionOptions {
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            };
            let txn = db.begin_with_options(read_only).await?;
            for _ in 0..3 {
                item::Entity::find_by_id(7).one(&txn).await?.unwrap();
            }
            txn.commit().await?;
            db.execute_unprepared(INSERT).await?;
        }
    }
    Ok(())
}

/// R8: any number of swaps; no statement fails, and what is open is what the last list says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_fail_nothing_and_leak_nothing() {
    let seed = std::env::var("SEALANETEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("SEALANETEST_SEED={seed}");
    let cluster = STAGE.whole().await;
    within(LIMIT * 20, async {
        let alive = || Handle::current().metrics().num_alive_tasks();
        // Four replicas on two servers.
        let doors = [0, 1].map(|at| Forwarder::to(cluster.standby(at).addr()).unwrap());
        let mut all = replicas(&cluster).to_vec();
        for (at, name) in ["three", "four"].into_iter().enumerate() {
            all.push(replica(&cluster.standby(at).url_at(doors[at].addr(), "postgres"), name));
        }
        let nobody = alive();
        let db = all
            .iter()
            .fold(RoutedConnection::builder().node(primary(&cluster)), |builder, node| {
                builder.node(node.clone())
            })
            .consistency(sealane::Consistency::Eventual)
            .connect()
            .await
            .unwrap();
        let swaps = if long_form() { 10_000 } else { 500 };
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut slowest, mut waves) = (Duration::ZERO, Vec::new());
        let begun = Instant::now();
        // In waves, to see after each whether something has piled up.
        for _ in 0..5 {
            let readers = Readers::start(&db, 8);
            let writers = Writers::start(&db, 2);
            for swap in 0..swaps / 5 {
                let mut list = all.clone();
                rng.shuffle(&mut list);
                list.truncate(rng.usize(1..=all.len()));
                if rng.u8(..4) == 0 {
                    let weight = rng.u32(1..5);
                    list[0] = list[0].clone().with_weight(weight);
                }
                let wanted: BTreeSet<_> = list.iter().filter_map(|node| node.name.clone()).collect();
                list.push(primary(&cluster));
                let asked = Instant::now();
                let replaced = db.cluster().replace_nodes(list).await.unwrap();
                slowest = slowest.max(asked.elapsed());
                let topology = db.cluster().topology();
                let there: BTreeSet<_> = topology
                    .nodes
                    .iter()
                    .filter(|node| node.role == Role::Replica)
                    .map(|node| node.name.clone())
                    .collect();
                assert_eq!(there, wanted, "swap {swap}: {replaced:?}");
                readers.check();
            }
            // The same list as at the start.
            let list = all.iter().cloned().chain([primary(&cluster)]);
            db.cluster().replace_nodes(list).await.unwrap();
            let (reads, writes) = (readers.end().await, writers.end().await);
            eventually("open pools are those of the snapshot", async || {
                sessions(&cluster) == pooled(&db)
            })
            .await;
            eventually("nothing in flight", async || {
                db.cluster().topology().nodes.iter().all(|node| node.in_flight == 0)
            })
            .await;
            waves.push((reads, writes, sessions(&cluster), alive()));
        }
        println!(
            "{swaps} swaps in {:?}, the slowest {slowest:?}; reads, writes, connections, tasks after each wave: {waves:?}",
            begun.elapsed()
        );
        let rows = number(&db.primary(), "SELECT count(*) FROM log").await;
        assert_eq!(u64::try_from(rows).unwrap(), waves.iter().map(|wave| wave.1).sum::<u64>());
        // Pools have a task each, and so has the cluster; more would be left from swaps.
        let tasks = waves.iter().map(|wave| wave.3).min().unwrap();
        eventually("no task piles up", async || alive() <= tasks).await;
        drop(db);
        eventually("nothing is left", async || alive() <= nobody && sessions(&cluster) == 0).await;
    })
    .await;
}

/// R8: within its drain time-out a removed node finishes what runs there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_finishes_what_runs_there() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster)
            .drain_timeout(Duration::from_secs(20))
            .connect()
            .await
            .unwrap();
        db.cluster()
            .replace_nodes([primary(&cluster), one])
            .await
            .unwrap();
        let reading = tokio::spawn({
            let db = db.clone();
            async move { number(&db, "SELECT count(*) FROM item, pg_sleep(0.01) lingering").await }
        });
        let mut rows = db
            .stream_raw(sql(
                &db,
                "SELECT repeat('x', 9000), pg_sleep(0.01) FROM item",
            ))
            .await
            .unwrap();
        rows.next().await.unwrap().unwrap();
        let begun = Instant::now();
        let replaced = db
            .cluster()
            .replace_nodes([primary(&cluster), two])
            .await
            .unwrap();
        assert_eq!(replaced.added, ["two"]);
        assert_eq!(replaced.removed.len(), 1);
        println!("replaced after {:?}", begun.elapsed());
        assert_eq!(
            rows.collect::<Vec<_>>()
                .await
                .into_iter()
                .filter(Result::is_ok)
                .count(),
            99
        );
        assert_eq!(reading.await.unwrap(), 100);
        eventually("its pool is closed", async || {
            let there = cluster.standby(0).connections().unwrap();
            !there.contains_key("swaps")
        })
        .await;
    })
    .await;
}

/// R8: after the drain time-out it is cut off: reads move, what cannot move fails by type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_is_cut_off_when_its_time_is_over() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster)
            .drain_timeout(300 * MS)
            .connect()
            .await
            .unwrap();
        db.cluster()
            .replace_nodes([primary(&cluster), one])
            .await
            .unwrap();
        // The primary may have to be asked once more, whether it is ahead of that.
        eventually("used", async || status(&db, "one").ineligible.is_none()).await;
        let node = cluster.standby(0);
        let mut rows = db
            .stream_raw(sql(
                &db,
                "SELECT repeat('x', 9000), pg_sleep(0.05) FROM item",
            ))
            .await
            .unwrap();
        rows.next().await.unwrap().unwrap();
        let read_only = TransactionOptions {
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        let txn = db.begin_with_options(read_only).await.unwrap();
        assert_eq!(txn.node(), "one");
        item::Entity::find().one(&txn).await.unwrap();
        let decisions = Decisions::new();
        let reading = tokio::spawn({
            let db = db.clone();
            let read = async move {
                number(
                    &db,
                    "SELECT count(*) FROM item WHERE pg_sleep(0.007) IS NOT NULL",
                )
                .await
            };
            decisions.of(read)
        });
        until_running(node, "0.007", 1).await;
        let begun = Instant::now();
        db.cluster()
            .replace_nodes([primary(&cluster), two])
            .await
            .unwrap();
        let err = loop {
            match rows.next().await.expect("an end without an error") {
                Ok(_) => {}
                Err(err) => break err,
            }
        };
        println!("the stream ended after {:?}: {err}", begun.elapsed());
        assert!(
            matches!(Error::from_db_err(&err), Some(Error::StreamLost { .. })),
            "{err}"
        );
        // The test as a whole has a deadline, so this ends.
        let err = loop {
            if let Err(err) = item::Entity::find().one(&txn).await {
                break err;
            }
        };
        assert!(
            matches!(
                Error::from_db_err(&err),
                Some(Error::TransactionLost { .. })
            ),
            "{err}"
        );
        drop((rows, txn));
        assert_eq!(reading.await.unwrap(), 100);
        let moved: Vec<_> = decisions.by_node().into_keys().collect();
        assert_eq!(moved, ["one", "two"]);
        eventually("its pool is closed", async || {
            !node.connections().unwrap().contains_key("swaps")
        })
        .await;
    })
    .await;
}

/// R8: a node that returns before its pool is closed keeps it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_returns_meanwhile_keeps_its_pool() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster)
            .drain_timeout(600 * MS)
            .connect()
            .await
            .unwrap();
        let with = |nodes: &[&NodeConfig]| {
            let mut list = vec![primary(&cluster)];
            list.extend(nodes.iter().map(|node| (*node).clone()));
            list
        };
        db.cluster().replace_nodes(with(&[&one])).await.unwrap();
        let before = status(&db, "one");
        // The server counts texts without their numbers.
        let ran = || cluster.standby(0).statements_with("AS while_away").unwrap();
        let before_it = ran();
        let reading = tokio::spawn({
            let db = db.clone();
            async move {
                number(
                    &db,
                    "SELECT count(*) AS while_away FROM item WHERE pg_sleep(0.015) IS NOT NULL",
                )
                .await
            }
        });
        until_running(cluster.standby(0), "0.015", 1).await;
        // The numbers of processes start anew at their greatest one.
        let pids = || -> BTreeSet<String> {
            let sql = "SELECT string_agg(pid::text, ',') FROM pg_stat_activity \
                       WHERE application_name = 'swaps'";
            let pids = cluster.standby(0).sql(sql).unwrap();
            pids.trim().split(',').map(str::to_owned).collect()
        };
        let connections = pids();
        db.cluster().replace_nodes(with(&[&two])).await.unwrap();
        let back = db
            .cluster()
            .replace_nodes(with(&[&one, &two]))
            .await
            .unwrap();
        assert_eq!(
            (back.added, back.kept),
            (
                vec!["one".to_owned()],
                vec!["primary".to_owned(), "two".to_owned()]
            )
        );
        let after = status(&db, "one");
        assert_eq!((after.id, after.generation), (before.id, before.generation));
        // The time of its removal is over meanwhile, and it is not.
        assert_eq!(reading.await.unwrap(), 100);
        assert_eq!(running(cluster.standby(0), "0.015"), 0);
        let now = pids();
        assert!(now.is_superset(&connections), "{now:?} {connections:?}");
        assert_eq!(ran(), before_it + 1, "it was sent again");
    })
    .await;
}

/// R8: name, weight and zone change in place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_name_weight_or_zone_keeps_the_pool() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster).connect().await.unwrap();
        let before = status(&db, "one");
        let decisions = Decisions::new();
        let list = [
            primary(&cluster),
            one.clone().with_name("uno").with_zone("here"),
            two.clone().with_weight(0),
        ];
        let replaced = db.cluster().replace_nodes(list).await.unwrap();
        assert_eq!(replaced.changed, ["uno", "two"]);
        assert_eq!(replaced.kept, ["primary"]);
        let after = status(&db, "uno");
        assert_eq!((after.id, after.generation), (before.id, before.generation));
        assert_eq!(
            status(&db, "two").ineligible,
            Some(sealane::Ineligible::NoWeight)
        );
        for _ in 0..20 {
            decisions.of(item::Entity::find().one(&db)).await.unwrap();
        }
        // Under its new name everywhere, also to those who read traces.
        assert_eq!(
            decisions.by_node().into_iter().collect::<Vec<_>>(),
            [("uno".to_owned(), 20)]
        );
        let two = two.with_zone("there");
        db.cluster()
            .replace_nodes([primary(&cluster), one.with_zone("here"), two])
            .await
            .unwrap();
        for zone in ["here", "there"] {
            for _ in 0..10 {
                decisions
                    .of(item::Entity::find().one(&db.in_zone(zone)))
                    .await
                    .unwrap();
            }
            let name = if zone == "here" { "one" } else { "two" };
            assert_eq!(
                decisions.by_node().into_iter().collect::<Vec<_>>(),
                [(name.to_owned(), 10)]
            );
        }
    })
    .await;
}

/// R8: what cannot be used is refused, and the old list stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_cannot_be_used_is_refused_and_the_old_one_stays() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster).connect().await.unwrap();
        let before = db.cluster().topology();
        let refused: [(&str, Vec<NodeConfig>); 6] = [
            ("no primary", vec![one.clone(), two.clone()]),
            ("nothing", Vec::new()),
            (
                "two primaries",
                vec![
                    primary(&cluster),
                    NodeConfig::primary(cluster.standby(0).url()).unwrap(),
                ],
            ),
            (
                "the same twice",
                vec![
                    primary(&cluster),
                    one.clone(),
                    one.clone().with_name("again"),
                ],
            ),
            (
                "one name twice",
                vec![primary(&cluster), one.clone(), two.clone().with_name("one")],
            ),
            (
                "another backend",
                vec![NodeConfig::primary("mysql://root@127.0.0.1/x").unwrap()],
            ),
        ];
        for (what, list) in refused {
            let err = db.cluster().replace_nodes(list).await.unwrap_err();
            println!("{what}: {err}");
            assert!(
                matches!(err, Error::Config(_) | Error::Topology { .. }),
                "{what}: {err:?}"
            );
            assert_eq!(err.outcome(), Outcome::NotExecuted);
            let now = db.cluster().topology();
            assert_eq!(now.to_string(), before.to_string(), "{what}");
        }
        let mixed = vec![
            primary(&cluster),
            NodeConfig::replica("mysql://root@127.0.0.1/x").unwrap(),
        ];
        db.cluster().replace_nodes(mixed).await.unwrap_err();
        // A replica that is the primary is only left out.
        let list = [
            primary(&cluster),
            one,
            replica(&cluster.primary().url(), "same"),
        ];
        let replaced = db.cluster().replace_nodes(list).await.unwrap();
        println!("{replaced:?}");
        assert_eq!(
            replaced.dropped.len() + db.cluster().topology().nodes.len(),
            3 - usize::from(replaced.dropped.is_empty())
        );
        assert!(
            db.cluster()
                .topology()
                .nodes
                .iter()
                .all(|node| node.name != "same")
        );
        item::Entity::find().one(&db).await.unwrap();
    })
    .await;
}

/// R8: drained by name, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_gets_nothing_new_until_it_is_resumed() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let db = builder(&cluster).connect().await.unwrap();
        let readers = Readers::start(&db, 4);
        readers.more(100).await;
        for _ in 0..3 {
            db.cluster().drain("one").unwrap();
            eventually("drained", async || {
                let one = status(&db, "one");
                one.ineligible == Some(sealane::Ineligible::Drained) && one.in_flight == 0
            })
            .await;
            readers.more(20).await;
            readers.decisions.take();
            readers.more(200).await;
            let nodes = readers.decisions.by_node();
            assert!(nodes.keys().eq(["two"]), "{nodes:?}");
            db.cluster().resume("one").unwrap();
            eventually("resumed", async || {
                readers.decisions.by_node().contains_key("one")
            })
            .await;
        }
        readers.end().await;
        for (name, why) in [("primary", "primary"), ("nobody", "nobody")] {
            let err = db.cluster().drain(name).unwrap_err().to_string();
            assert!(err.contains(why), "{err}");
        }
        db.cluster().drain("one").unwrap();
        db.cluster().drain("two").unwrap();
        eventually("none left", async || {
            db.explain("SELECT id FROM item").reason == Reason::NoReplica
        })
        .await;
        let err = item::Entity::find().one(&db.replica()).await.unwrap_err();
        assert!(
            matches!(Error::from_db_err(&err), Some(Error::NoReplica { .. })),
            "{err}"
        );
    })
    .await;
}

/// R8: a new node that does not answer holds nobody up for long, and is used once it comes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_that_cannot_be_warmed_enters_ejected() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster)
            .warm_up_timeout(400 * MS)
            .eject_first(50 * MS)
            .eject_max(300 * MS)
            .connect()
            .await
            .unwrap();
        db.cluster()
            .replace_nodes([primary(&cluster), one.clone()])
            .await
            .unwrap();
        cluster.standby(1).freeze();
        let readers = Readers::start(&db, 4);
        let begun = Instant::now();
        db.cluster()
            .replace_nodes([primary(&cluster), one, two])
            .await
            .unwrap();
        println!("a silent new node: replaced after {:?}", begun.elapsed());
        assert_eq!(
            status(&db, "two").ineligible,
            Some(sealane::Ineligible::Ejected)
        );
        readers.more(100).await;
        cluster.standby(1).thaw();
        eventually("used", async || {
            readers.decisions.by_node().contains_key("two")
        })
        .await;
        readers.end().await;
    })
    .await;
}

/// R1, T14: a new replica serves nothing before it is known what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replica_that_is_none_never_serves_a_read() {
    let cluster = STAGE.whole().await;
    within(LIMIT, async {
        let stranger = crate::fixture::cluster(0);
        let [one, two] = replicas(&cluster);
        let db = builder(&cluster).connect().await.unwrap();
        let readers = Readers::start(&db, 8);
        for _ in 0..20 {
            let list = [
                primary(&cluster),
                one.clone(),
                replica(&stranger.primary().url(), "stranger"),
            ];
            db.cluster().replace_nodes(list).await.unwrap();
            readers.more(10).await;
            db.cluster()
                .replace_nodes([primary(&cluster), one.clone(), two.clone()])
                .await
                .unwrap();
        }
        let nodes = readers.decisions.by_node();
        assert_eq!(nodes.get("stranger"), None, "{nodes:?}");
        readers.end().await;
    })
    .await;
}

/// R8, C7, I7: another primary by a swap: writes move, reads stay, and the old concrete connection writes nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_to_a_promoted_standby_moves_writes() {
    let own = cluster(2);
    within(LIMIT, async {
        let first = own.primary();
        first.sql("CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL); CREATE TABLE log (n bigint)").unwrap();
        first.sql("INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 100) n").unwrap();
        own.wait_caught_up().unwrap();
        let db = builder(&own).connect().await.unwrap();
        let old = db.concrete();
        old.execute_unprepared("INSERT INTO log VALUES (1)").await.unwrap();
        assert!(std::ptr::eq(old, db.concrete()));
        let readers = Readers::start(&db, 4);
        readers.more(50).await;
        // Planned: the old primary is stopped before the new one begins.
        own.standby(0).wait_caught_up_with(first).unwrap();
        first.stop(sealane_harness::Stop::Fast).unwrap();
        own.standby(0).promote().unwrap();
        own.standby(1).repoint(own.standby(0)).unwrap();
        let list = [
            NodeConfig::primary(format!("{}?{NAME}", own.standby(0).url())).unwrap().with_name("new"),
            replica(&own.standby(1).url(), "two"),
        ];
        let replaced = db.cluster().replace_nodes(list).await.unwrap();
        assert_eq!(replaced.added, ["new"]);
        assert_eq!(replaced.kept, ["two"]);
        db.execute_unprepared("INSERT INTO log VALUES (2)").await.unwrap();
        let fresh = db.concrete();
        assert!(!std::ptr::eq(old, fresh));
        fresh.execute_unprepared("INSERT INTO log VALUES (3)").await.unwrap();
        let err = old.execute_unprepared("INSERT INTO log VALUES (4)").await.unwrap_err();
        assert_eq!(outcome(&err), Outcome::NotExecuted, "{err}");
        assert_eq!(number(&db.primary(), "SELECT count(*) FROM log").await, 3);
        // The old one comes back as a replica.
        first.rewind_to(own.standby(0)).unwrap();
        let list = [
            NodeConfig::primary(format!("{}?{NAME}", own.standby(0).url())).unwrap().with_name("new"),
            replica(&own.standby(1).url(), "two"),
            replica(&first.url(), "old"),
        ];
        db.cluster().replace_nodes(list).await.unwrap();
        readers.decisions.take();
        eventually("reads on the old one", async || {
            readers.decisions.by_node().contains_key("old")
        })
        .await;
        readers.end().await;
        assert_eq!(first.refused_writes() + own.standby(1).refused_writes(), 0);
    })
    .await;
}
