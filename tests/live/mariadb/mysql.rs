//! What MySQL alone has: `super_read_only`, and passwords that a server has to be told once (rules C4, T8).
//!
//! Without MySQL's programs there is nothing to see here: `tests/run --mysql` brings them.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Consistency, Outcome, Role, RoutedConnection};
use sealane_harness::mariadb::{Cluster, Flavour};

use super::stage::{Stage, builder, create};
use crate::{
    faults::{outcome, status, within},
    fixture::{number, sql},
    place::until,
};

const LIMIT: Duration = Duration::from_secs(30);
const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";
const COUNT: &str = "SELECT count(*) FROM note";

/// A stage on MySQL, where that was asked for.
async fn stage(database: &str) -> Option<Stage> {
    match Flavour::asked() {
        Flavour::MySql => Some(Stage::new(database).await),
        Flavour::MariaDb => None,
    }
}

/// An administrator's session is refused too, and the text names another option.
#[tokio::test]
async fn a_primary_that_is_super_read_only_is_left_and_taken_again() {
    let Some(stage) = stage("mysql_super").await else {
        return;
    };
    let [primary, one] = [stage.primary(), &stage.replicas()[0]];
    let url = |node: &sealane_harness::mariadb::Node| {
        format!(
            "{}?name={}",
            node.url_as("boss", "mysql_super"),
            node.name()
        )
    };
    let builder = RoutedConnection::builder()
        .primary(url(primary))
        .replica(url(one));
    let builder = builder.failover_timeout(Duration::from_millis(300));
    let db = builder.connect().await.unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    primary.sql("set global super_read_only = 1").unwrap();
    let refused = within(LIMIT, db.execute_unprepared(INSERT))
        .await
        .unwrap_err();
    assert_eq!(outcome(&refused), Outcome::NotExecuted, "{refused}");
    until("nobody who takes writes", async || {
        status(&db, "m1").role != Role::Primary
    })
    .await;
    primary.sql("set global read_only = 0").unwrap();
    until("a write", async || {
        db.execute_unprepared(INSERT).await.is_ok()
    })
    .await;
    assert_eq!(number(&db, COUNT).await, 2);
}

/// A server that was just started remembers no login: without TLS the driver can prove nothing to it. That is told, and nothing is
/// written twice.
#[tokio::test]
async fn a_server_that_remembers_no_login_says_what_it_takes() {
    let Some(stage) = stage("mysql_cold").await else {
        return;
    };
    let primary = stage.primary();
    // As at its start.
    primary.sql("flush local privileges").unwrap();
    let builder = RoutedConnection::builder().primary(primary.url_of("mysql_cold"));
    let told = builder.connect().await;
    let err = told.map(drop).unwrap_err().to_string();
    println!("{err}");
    primary.restart().unwrap();
    assert!(err.contains("TLS"), "{err}");
}

/// The time of its start, which is asked for in one row with all else, stands in a table of the performance schema that is there
/// though that is off (C4).
#[tokio::test]
async fn a_server_without_its_performance_schema_says_how_it_reads_a_text() {
    if Flavour::asked() == Flavour::MariaDb {
        return;
    }
    let cluster = Cluster::builder().replicas(1);
    let cluster = cluster.setting("performance-schema", "0").start().unwrap();
    create(cluster.primary(), "app");
    cluster.wait_caught_up().unwrap();
    cluster
        .replica(0)
        .sql("set global sql_mode = 'ANSI_QUOTES'")
        .unwrap();
    let db = builder(&cluster, "app").consistency(Consistency::Eventual);
    let db = db.connect().await.unwrap();
    db.query_all_raw(sql(&db, COUNT)).await.unwrap();
    let role = |text: &str| db.explain(text).role;
    until("the mode known", async || {
        role(r#"SELECT "a" FROM note"#) == Some(Role::Primary)
    })
    .await;
    assert_eq!(role("SELECT 'a' FROM note"), Some(Role::Replica));
}
