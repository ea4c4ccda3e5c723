//! `drop_in::Database::connect` takes the replicas from the environment of the process. Changing that inside a process
//! with threads is unsound, so the test runs this binary once more with the variables set.

use std::process::Command;

use sea_orm::{ConnectOptions, ConnectionTrait};
use sealane::{NodeConfig, Reason, Role, RoutedConnection, drop_in};

use super::SLOT;
use crate::fixture::sql;

/// Tells the child that it is one, and where the primary is.
const CHILD: &str = "SEALANETEST_DROP_IN";

fn run(name: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    child.envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[tokio::test]
async fn the_drop_in_reads_replicas_and_tuning_from_the_environment() {
    let place = SLOT.shared("options_environment").await;
    let replicas = place.replica_urls().join(" ");
    let primary = place.primary_url();
    let name = "options::environment::child_connects_by_the_drop_in";
    let (ok, said) = run(
        name,
        &[
            (CHILD, &primary),
            ("DATABASE_URL", "postgres://nobody@nowhere.invalid/none"),
            ("DATABASE_REPLICA_URLS", &replicas),
            ("SEALANE_CONSISTENCY", "eventual"),
            ("SEALANE_PRIMARY_FUNCTIONS", "lower"),
        ],
    );
    assert!(
        ok && said.contains("1 passed") && said.contains("the child was here"),
        "{said}"
    );

    let (ok, said) = run(name, &[(CHILD, &primary), ("SEALANE_PINN", "0")]);
    assert!(!ok && said.contains("SEALANE_PIN"), "{said}");
}

/// Does nothing unless the test above starts it.
#[tokio::test]
async fn child_connects_by_the_drop_in() {
    let Ok(primary) = std::env::var(CHILD) else {
        return;
    };
    let url = NodeConfig::primary(&primary).unwrap().url;
    let mut options = ConnectOptions::new(primary);
    options.set_application_name("drop-in").max_connections(3);
    let db: drop_in::DatabaseConnection = drop_in::Database::connect(options).await.unwrap();
    let names: Vec<String> = db
        .cluster()
        .topology()
        .nodes
        .into_iter()
        .map(|node| node.name)
        .collect();
    let first = format!("127.0.0.1:{}", url.port().unwrap());
    assert_eq!(names, [&first, "one", "two"]);
    let said = db.explain("SELECT upper('x')");
    assert_eq!(
        (said.role, said.reason),
        (Some(Role::Replica), Reason::Replica)
    );
    assert_eq!(db.explain("SELECT lower('x')").role, Some(Role::Primary));
    db.execute_unprepared("CREATE TABLE IF NOT EXISTS t (n int)")
        .await
        .unwrap();
    let name = sql(&db, "SHOW application_name");
    let row = db.replica().query_one_raw(name).await;
    // SHOW asks about a connection, so a strict handle refuses it; the primary answers.
    assert!(row.is_err());
    let row = db
        .query_one_raw(sql(&db, "SHOW application_name"))
        .await
        .unwrap();
    assert_eq!(
        row.unwrap().try_get_by_index::<String>(0).unwrap(),
        "drop-in"
    );
    println!("the child was here");
}

#[tokio::test]
async fn given_variables_stand_for_the_environment() {
    let place = SLOT.shared("options_variables").await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    // A replica may be just host and port; the rest is the primary's.
    let short: Vec<String> = place
        .cluster()
        .standbys()
        .iter()
        .map(|node| format!("{}?name={}", node.addr(), node.name()))
        .collect();
    let config = sealane::Config::from_vars([
        pair("DATABASE_URL", &place.primary_url()),
        pair("DATABASE_REPLICA_URLS", &short.join(", ")),
        pair("SEALANE_STATEMENT_TIMEOUT", "1234ms"),
        pair("SEALANE_CONSISTENCY", "eventual"),
    ])
    .unwrap();
    let db = RoutedConnection::connect(config).await.unwrap();
    super::assert_everywhere(&db, "SHOW statement_timeout", "1234ms").await;
    super::assert_everywhere(&db, "SELECT current_database()::text", "options_variables").await;
}
