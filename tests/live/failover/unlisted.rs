//! A new primary that is no node of the list, seen by who follows it and by connections that lead to it (rules T3, R1).

use sea_orm::ConnectionTrait;
use sealane::{
    Builder, ClusterSignal, Consistency, Ineligible, NodeConfig, Role, RoutedConnection,
};
use sealane_harness::{HaProxy, Node, Stop};

use super::{MS, blocking, cluster, insert, promote, rows, status};
use crate::{
    fixture::{number, sql},
    heard::Heard,
    place::{until, until_within},
};

const COUNT: &str = "SELECT count(*) FROM t";
const TRIAL: &str = "SELECT count(*) FROM t WHERE n = 7";
const SLOW: &str = "SELECT count(*) FROM t, pg_sleep(0.02)";

fn named(node: &Node) -> String {
    format!("{}?name={}", node.url(), node.name())
}

fn builder(primary: &Node, replica: String) -> Builder {
    RoutedConnection::builder()
        .primary(named(primary))
        .replica(replica)
        .check_interval(50 * MS)
        .failover_timeout(300 * MS)
        .max_lag(None)
}

async fn connect(primary: &Node, replica: String) -> RoutedConnection {
    builder(primary, replica).connect().await.unwrap()
}

/// Writes until one is refused; then no more are taken by the old primary.
async fn writes_end(db: &RoutedConnection, old: &Node) {
    until("writes to end", async || insert(db, 1).await.is_err()).await;
    let before = rows(old, 1);
    for _ in 0..20 {
        let _ = insert(db, 1).await;
    }
    assert_eq!(rows(old, 1), before, "the old primary took writes again");
}

#[tokio::test]
async fn a_standby_that_follows_an_unlisted_primary_ends_the_old_one_while_that_lives() {
    let cluster = cluster();
    let (old, new, follower) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let (heard, _listening) = Heard::listen();
    let db = connect(old, named(follower)).await;
    insert(&db, 0).await.unwrap();
    promote(new).await;
    let (one, other) = (follower.clone(), new.clone());
    blocking(move || one.repoint(&other).unwrap()).await;
    writes_end(&db, old).await;
    until("the warning", async || {
        heard.warnings().iter().any(|line| {
            [old.name(), follower.name(), "timeline 1", "timeline 2"]
                .iter()
                .all(|part| line.contains(part))
                && line.contains("add that primary to the nodes")
        })
    })
    .await;
    // What the line asks for.
    let old_node = NodeConfig::primary(named(old)).unwrap();
    let replicas = [follower, new].map(|node| NodeConfig::replica(named(node)).unwrap());
    let nodes = std::iter::once(old_node).chain(replicas);
    db.cluster().replace_nodes(nodes).await.unwrap();
    until("writes to the new one", async || {
        insert(&db, 2).await.is_ok()
    })
    .await;
    assert_eq!((rows(old, 2), rows(new, 2)), (0, 1));
}

#[tokio::test]
async fn an_operator_who_knows_better_names_the_old_primary() {
    let cluster = cluster();
    let (old, copy, follower) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let db = connect(old, named(follower)).await;
    promote(copy).await;
    let (one, other) = (follower.clone(), copy.clone());
    blocking(move || one.repoint(&other).unwrap()).await;
    writes_end(&db, old).await;
    db.cluster().force_primary(old.name()).await.unwrap();
    insert(&db, 2).await.unwrap();
    // The follower is asked again and again, and shows the copy's timeline still.
    for _ in 0..10 {
        db.cluster().signal(ClusterSignal::Refresh).unwrap();
        tokio::time::sleep(20 * MS).await;
        insert(&db, 2).await.unwrap();
    }
    assert_eq!((rows(old, 2), rows(copy, 2)), (11, 0));
}

#[tokio::test]
async fn a_primary_that_is_met_behind_the_readers_name_ends_the_old_one() {
    let cluster = cluster();
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    // The monitor's connection leads to the standby that stays with the old one, and no check is due.
    let readers = HaProxy::over(&[new.addr(), other.addr()]).unwrap();
    let replica = format!("{}?name=readers", new.url_at(readers.addr(), "postgres"));
    let db = builder(old, replica)
        .check_interval(60_000 * MS)
        .max_lifetime(Some(300 * MS))
        .connect()
        .await
        .unwrap();
    insert(&db, 0).await.unwrap();
    promote(new).await;
    let reader = db.with_consistency(Consistency::Eventual);
    let soon = 20_000 * MS;
    until_within(soon, "the old primary to take no more writes", async || {
        // Connections are made while several reads run at once.
        let reads = (0..8).map(|_| reader.query_all_raw(sql(&reader, SLOW)));
        futures_util::future::join_all(reads).await;
        insert(&db, 1).await.is_err() || rows(new, 1) > 0
    })
    .await;
    let before = rows(old, 1);
    for _ in 0..20 {
        let _ = insert(&db, 1).await;
        let _ = reader.query_all_raw(sql(&reader, COUNT)).await;
    }
    assert_eq!(rows(old, 1), before, "the old primary took writes again");
}

/// A standby that was promoted for a trial and put back as it was asks the old primary for the trial's timeline, and shows it
/// as the one that it receives.
#[tokio::test]
async fn a_standby_that_asks_in_vain_for_a_later_timeline_ends_nobody() {
    let cluster = cluster();
    let (primary, trial) = (cluster.primary(), cluster.standby(0));
    promote(trial).await;
    trial.sql("INSERT INTO t VALUES (7)").unwrap();
    let signal = format!(
        "{}/{}/data/standby.signal",
        cluster.folder().display(),
        trial.name()
    );
    trial
        .sql(&format!("COPY (SELECT 1) TO '{signal}'"))
        .unwrap();
    let (node, follows) = (trial.clone(), primary.addr());
    blocking(move || {
        node.stop(Stop::Fast).unwrap();
        node.repoint_to(follows).unwrap();
        node.start().unwrap();
    })
    .await;
    let db = connect(primary, named(trial)).await;
    let anybody = db.with_consistency(Consistency::Eventual);
    let mut asked = false;
    until("the standby to be seen while it asks", async || {
        insert(&db, 1).await.unwrap();
        db.cluster().signal(ClusterSignal::Refresh).unwrap();
        assert_eq!(number(&anybody, TRIAL).await, 0, "a row of the trial");
        asked |= status(&db, trial).epoch == Some(2);
        asked && rows(primary, 1) > 100
    })
    .await;
    assert_eq!(status(&db, primary).role, Role::Primary);
    // Nor does it serve what is nobody else's once it is the only one that answers.
    let stopped = primary.clone();
    blocking(move || stopped.stop(Stop::Immediate).unwrap()).await;
    until("the primary to be gone", async || {
        status(&db, primary).role != Role::Primary
    })
    .await;
    for _ in 0..3 {
        db.cluster().signal(ClusterSignal::Refresh).unwrap();
        let read = anybody.query_one_raw(sql(&anybody, TRIAL)).await;
        assert!(read.is_err(), "{read:?}");
        tokio::time::sleep(100 * MS).await;
    }
    let why = status(&db, trial).ineligible;
    assert_eq!(why, Some(Ineligible::NotReceiving));
}
