//! `sealane doctor`, run as an operator runs it, on servers that are well and on those that are not.

mod configured;

use std::process::Command;

use sealane_harness::{Cluster, HaProxy, PgBouncer, PoolMode, StartUpOptions, Stop};
use serde_json::Value;

use crate::place::{Slot, own_cluster};

static SLOT: Slot = Slot::new(2);

/// What it said, and how it ended.
pub struct Told {
    pub code: Option<i32>,
    pub text: String,
}

impl Told {
    /// The one finding that holds these words.
    pub fn finding(&self, part: &str) -> &str {
        let mut lines = self.text.lines().filter(|line| line.contains(part));
        let line = lines.next();
        line.unwrap_or_else(|| panic!("`{part}` in\n{}", self.text))
    }
}

/// With these variables alone.
pub fn doctor(variables: &[(&str, &str)], arguments: &[&str]) -> Told {
    watching("1500ms", variables, arguments)
}

/// As before, for this long.
fn watching(time: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_sealane"))
        .arg("doctor")
        .args(["--watch", time])
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Told {
        code: output.status.code(),
        text: String::from_utf8(output.stdout).unwrap(),
    }
}

/// What it says in the end: on a busy machine a server may be slow while it looks, and that is told.
pub fn in_the_end(look: impl Fn() -> Told) -> Told {
    let is_well = |told: &Told| told.text.contains("nothing is wrong");
    let looks = std::iter::repeat_with(&look).take(10);
    looks.into_iter().find(is_well).unwrap_or_else(look)
}

/// The cluster's variables, the replicas in one list.
fn urls(cluster: &Cluster) -> (String, String) {
    let named = |node: &sealane_harness::Node| format!("{}?name={}", node.url(), node.name());
    let replicas: Vec<_> = cluster.standbys().iter().map(named).collect();
    (named(cluster.primary()), replicas.join(","))
}

fn of_cluster(cluster: &Cluster, arguments: &[&str]) -> Told {
    let (primary, replicas) = urls(cluster);
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", replicas.as_str()),
    ];
    doctor(&variables, arguments)
}

#[tokio::test]
async fn a_cluster_that_is_well_has_a_table_and_nothing_that_is_wrong() {
    let place = SLOT.shared("doctor").await;
    let cluster = place.cluster();
    let told = in_the_end(|| of_cluster(cluster, &["--strict"]));
    assert_eq!(told.code, Some(0), "{}", told.text);
    let mut lines = told.text.lines();
    assert!(lines.next().unwrap().starts_with("node  "), "{}", told.text);
    for (node, role, read_only) in [("n1", "primary", " no "), ("n2", "replica", " yes ")] {
        let row = lines.next().unwrap();
        for part in [node, "postgresql ", role, read_only, " ms", " of "] {
            assert!(row.contains(part), "`{part}` in {row}");
        }
    }
    assert!(told.text.ends_with("\nnothing is wrong\n"), "{}", told.text);

    let json = of_cluster(cluster, &["--json"]);
    let report: Value = serde_json::from_str(&json.text).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|finding| finding["level"] != "error"),
        "{report}"
    );
    assert_eq!(report["nodes"][2]["status"]["role"], "replica");
    assert_eq!(report["nodes"][2]["details"]["read_only_default"], true);
    assert_eq!(report["nodes"][0]["details"]["encrypted"], false);
}

#[tokio::test]
async fn a_role_that_may_not_see_replication_is_told_what_to_grant() {
    let place = SLOT.shared("doctor_grants").await;
    let cluster = place.cluster();
    let primary = cluster.primary();
    primary.sql("CREATE ROLE doctors LOGIN").unwrap();
    cluster.wait_caught_up().unwrap();
    let (primary, replicas) = urls(cluster);
    let (primary, replicas) = (
        primary.replace("postgres@", "doctors@"),
        replicas.replace("postgres@", "doctors@"),
    );
    let variables = [
        ("SHOP_DATABASE_URL", primary.as_str()),
        ("SHOP_DATABASE_REPLICA_URLS", replicas.as_str()),
    ];
    let told = doctor(&variables, &["--prefix", "SHOP_"]);
    let finding = told.finding("GRANT pg_monitor TO doctors");
    assert!(finding.starts_with("warning: "), "{finding}");
    assert_eq!(told.code, Some(0), "{}", told.text);
    assert_eq!(
        doctor(&variables, &["--prefix", "SHOP_", "--strict"]).code,
        Some(1)
    );
}

#[tokio::test]
async fn a_name_with_several_servers_and_a_pooler_are_told() {
    let place = SLOT.shared("doctor_between").await;
    let cluster = place.cluster();
    let proxy = HaProxy::over(&[cluster.standby(0).addr(), cluster.standby(1).addr()]).unwrap();
    let readers = cluster.standby(0).url_at(proxy.addr(), "postgres");
    let primary = cluster.primary().url();
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", readers.as_str()),
    ];
    let told = doctor(&variables, &[]);
    told.finding("several servers answer under this node's address");

    let options = StartUpOptions::Dropped;
    let pooler = PgBouncer::to(cluster.standby(0), PoolMode::Transaction, options, 20).unwrap();
    let readers = format!("{}?name=pooled", pooler.url("postgres"));
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", readers.as_str()),
    ];
    let told = doctor(&variables, &[]);
    let finding = told.finding("a pooler in transaction mode answers here");
    assert!(finding.starts_with("warning: "), "{finding}");
}

/// No replica that can serve, a node that is down, a password that is wrong: each is one line, with what to do.
#[tokio::test]
async fn what_gives_no_connection_is_told_with_its_reason() {
    let cluster = own_cluster(1);
    cluster.standby(0).stop(Stop::Fast).unwrap();
    let told = of_cluster(&cluster, &[]);
    assert_eq!(told.code, Some(1), "{}", told.text);
    let finding = told.finding("gives no connection: ");
    let name = cluster.standby(0).name();
    assert!(
        finding.starts_with(&format!("error: {name}: ")),
        "{finding}"
    );
    told.finding("no replica serves reads");
    assert_eq!(told.text.matches("gives no connection").count(), 1);

    cluster.primary().stop(Stop::Fast).unwrap();
    let told = of_cluster(&cluster, &[]);
    assert_eq!(told.code, Some(1), "{}", told.text);
    told.finding("error: no primary answers");
    assert_eq!(told.text.matches("gives no connection").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_primaries_and_another_cluster_are_errors() {
    let cluster = own_cluster(2);
    let both = [cluster.standby(0).clone(), cluster.standby(1).clone()];
    cluster.primary().kill().unwrap();
    tokio::task::spawn_blocking(move || {
        std::thread::scope(|scope| {
            for node in &both {
                scope.spawn(|| node.promote().unwrap());
            }
        });
    })
    .await
    .unwrap();
    let told = of_cluster(&cluster, &[]);
    assert_eq!(told.code, Some(1), "{}", told.text);
    let finding = told.finding("take writes on the same timeline");
    assert!(finding.starts_with("error: "), "{finding}");

    let place = SLOT.shared("doctor_stranger").await;
    let (primary, stranger) = (place.cluster().primary().url(), cluster.standby(0).url());
    let variables = [
        ("DATABASE_URL", primary.as_str()),
        ("DATABASE_REPLICA_URLS", stranger.as_str()),
    ];
    let told = doctor(&variables, &[]);
    let finding = told.finding("fenced: ");
    assert!(finding.starts_with("error: "), "{finding}");
    assert!(finding.contains("another cluster"), "{finding}");
    assert_eq!(told.code, Some(1), "{}", told.text);
    assert!(!told.text.contains("gives no connection"), "{}", told.text);
    told.finding("no replica serves reads");
    let json = doctor(&variables, &["--json"]);
    let report: Value = serde_json::from_str(&json.text).unwrap();
    let error = &report["nodes"][1]["error"];
    assert_eq!(error, "not asked, since it is fenced", "{report}");
}

/// Nobody feeds it, and no connection to it is opened for that: it is told what it is, and not that it gives none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_a_failover_left_behind_is_told_as_that() {
    let cluster = own_cluster(2);
    cluster.primary().kill().unwrap();
    let new = cluster.standby(0).clone();
    let promoted = tokio::task::spawn_blocking(move || new.promote().unwrap());
    promoted.await.unwrap();
    let told = of_cluster(&cluster, &[]);
    assert_eq!(told.code, Some(1), "{}", told.text);
    let none = "gives no connection: ";
    assert_eq!(told.text.matches(none).count(), 1, "{}", told.text);
    let (old, left) = (cluster.primary().name(), cluster.standby(1).name());
    let finding = told.finding(none);
    assert!(finding.starts_with(&format!("error: {old}: ")), "{finding}");
    told.finding(&format!("warning: {left}: serves no reads: "));
}
