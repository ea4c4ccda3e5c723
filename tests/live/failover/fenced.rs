//! What a node costs that answers and takes no statements (rule T1).

use std::collections::BTreeSet;

use sealane::{Builder, Ineligible, Role, RoutedConnection};
use sealane_harness::{Forwarder, Node};

use super::{MS, blocking, cluster, insert, promote, rows, status, until_role};
use crate::{heard::Heard, place::until};

/// How many health checks of the one client a server answers while its logins are counted.
const CHECKS: usize = 20;

/// The connection of the health checks is a new one after three seconds, and then every ten.
const OF_CHECKS: u64 = 2;

pub(super) fn named(node: &Node) -> String {
    format!("{}?name={}", node.url(), node.name())
}

pub(super) fn through(way: &Forwarder, node: &Node) -> String {
    let url = node.url_at(way.addr(), "postgres");
    format!("{url}?name={}", node.name())
}

fn builder(primary: String, replicas: [String; 2]) -> Builder {
    let builder = RoutedConnection::builder()
        .primary(primary)
        .replicas(replicas);
    builder.check_interval(50 * MS).max_lag(None)
}

/// Waits until a server has answered so many health checks of its one client.
pub(super) async fn until_checked(node: &Node, times: usize) {
    let begun = "SELECT query_start FROM pg_stat_activity WHERE application_name = 'sealane-probe'";
    let mut seen = BTreeSet::new();
    until("health checks", async || {
        seen.insert(node.sql(begun).unwrap());
        seen.len() > times
    })
    .await;
}

/// How often a server was connected to in so many health checks, once those before have done what they began.
async fn logins(node: &Node, way: &Forwarder) -> u64 {
    until_checked(node, 3).await;
    let before = way.accepted();
    until_checked(node, CHECKS).await;
    way.accepted() - before
}

fn fenced(heard: &Heard) -> Vec<String> {
    let lines = heard.warnings().into_iter();
    lines
        .filter(|line| line.contains("message=fenced: "))
        .collect()
}

#[tokio::test]
async fn an_old_primary_that_lives_on_and_who_follows_it_are_not_logged_in_to_again_and_again() {
    let cluster = cluster();
    let (old, new, astray) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let (to_old, to_astray) = (
        Forwarder::to(old.addr()).unwrap(),
        Forwarder::to(astray.addr()).unwrap(),
    );
    let (heard, _listening) = Heard::listen();
    let replicas = [named(new), through(&to_astray, astray)];
    let db = builder(through(&to_old, old), replicas);
    let db = db.max_lifetime(Some(100 * MS)).connect().await.unwrap();
    insert(&db, 1).await.unwrap();
    promote(new).await;
    until_role(&db, old, Role::Fenced).await;
    until("writes to the new one", async || {
        insert(&db, 2).await.is_ok()
    })
    .await;
    until("who is astray to be left", async || {
        status(&db, astray).ineligible == Some(Ineligible::OlderEpoch)
    })
    .await;
    let (of_old, of_astray) = (logins(old, &to_old).await, logins(astray, &to_astray).await);
    assert!(of_old <= OF_CHECKS, "the old primary: {of_old}");
    assert!(of_astray <= OF_CHECKS, "who follows it: {of_astray}");
    let told = fenced(&heard);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(old.name()), "{told:?}");
}

#[tokio::test]
async fn an_old_primary_that_comes_back_writable_is_told_of_then_and_not_logged_in_to_again_and_again()
 {
    let cluster = cluster();
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let way = Forwarder::to(old.addr()).unwrap();
    let (heard, _listening) = Heard::listen();
    let replicas = [named(new), named(cluster.standby(1))];
    let db = builder(through(&way, old), replicas)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    cluster.wait_caught_up().unwrap();
    old.kill().unwrap();
    promote(new).await;
    until("writes to the new one", async || {
        insert(&db, 2).await.is_ok()
    })
    .await;
    assert_eq!(fenced(&heard), [""; 0], "it is down");
    let back = old.clone();
    blocking(move || back.start().unwrap()).await;
    until("the warning", async || !fenced(&heard).is_empty()).await;
    let again = logins(old, &way).await;
    assert!(again <= OF_CHECKS, "{again}");
    let told = fenced(&heard);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((rows(old, 2), rows(new, 2)), (0, 1));
    // What was a warning ends with one.
    let followed = (old.clone(), new.clone());
    blocking(move || followed.0.rewind_to(&followed.1).unwrap()).await;
    until("the end of it", async || {
        let mut lines = heard.warnings().into_iter();
        lines.any(|line| line.contains("no longer fenced") && line.contains("recovered=true"))
    })
    .await;
}

/// Behind a name with several servers health checks may meet another one than new connections do.
#[tokio::test]
async fn a_connection_that_is_refused_is_told_of_once_and_with_its_node() {
    let cluster = cluster();
    let (well, cut) = (cluster.standby(0), cluster.standby(1));
    cut.set("primary_conninfo", "").unwrap();
    let way = Forwarder::to(well.addr()).unwrap();
    let (heard, _listening) = Heard::listen();
    let db = RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replica(through(&way, well))
        .check_interval(50 * MS)
        .max_lifetime(Some(100 * MS))
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    until_checked(well, 1).await;
    way.redirect(cut.addr());
    let told = || {
        let lines = heard.warnings().into_iter();
        let told = |line: &String| line.contains("receives nothing from the primary");
        lines.filter(told).collect::<Vec<_>>()
    };
    until("the line", async || !told().is_empty()).await;
    let before = way.accepted();
    until("further connections", async || way.accepted() > before + 10).await;
    let told = told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(well.name()), "{told:?}");
}
