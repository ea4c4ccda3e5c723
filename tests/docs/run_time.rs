//! What goes wrong while connecting and afterwards, as its reader meets it: the node, how far things had come, and what
//! to do.

use std::time::Duration;

use sea_orm::{AccessMode, ConnectionTrait, StreamTrait, TransactionTrait};
use sealane::{Builder, Error, RoutedConnection};
use sealane_harness::Cluster;

use crate::{
    capture::Log,
    fixture::{closed_port, sql, until},
    page::Page,
};

async fn refused(builder: Builder) -> Error {
    builder.connect().await.unwrap_err()
}

/// Errors that need no server.
#[tokio::test]
async fn errors_without_a_server_name_the_node_and_what_to_do() {
    let port = closed_port();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let mut page = Page::new(vec![
        (format!(":{port}"), ":PORT"),
        (path.clone(), "FOLDER"),
    ]);

    let url = format!("postgres://app:hunter2@127.0.0.1:{port}/shop");
    let refusing = RoutedConnection::builder()
        .primary(&url)
        .acquire_timeout(Duration::from_millis(300));
    page.add(
        "A primary where nobody listens",
        &["postgres://app:hunter2@127.0.0.1:PORT/shop"],
        refused(refusing).await,
    );
    let unknown = RoutedConnection::builder()
        .primary("postgres://app:hunter2@no-such-host.invalid/shop?name=main");
    let error = refused(unknown).await;
    assert!(
        matches!(&error, Error::Start { node, .. } if node == "main"),
        "{error}"
    );

    let missing = format!("sqlite://{path}/nowhere/shop.db?mode=rwc");
    page.add(
        "A SQLite file in a folder that does not exist",
        &["sqlite://FOLDER/nowhere/shop.db?mode=rwc"],
        refused(RoutedConnection::builder().primary(missing)).await,
    );
    let missing = format!("sqlite://{path}/shop.db");
    page.add(
        "A SQLite file that does not exist, without mode=rwc",
        &["sqlite://FOLDER/shop.db"],
        refused(RoutedConnection::builder().primary(missing)).await,
    );

    let url = format!("sqlite://{path}/closed.db?mode=rwc");
    let db = RoutedConnection::builder()
        .primary(url)
        .connect()
        .await
        .unwrap();
    page.add(
        "A write to a replica() handle",
        &["db.replica(): INSERT INTO t VALUES (1)"],
        db.replica()
            .query_one_raw(sql(&db, "INSERT INTO t VALUES (1)"))
            .await
            .unwrap_err(),
    );
    let cluster = db.cluster();
    page.add(
        "A drain of the primary",
        &["cluster.drain(\"closed.db\")"],
        cluster.drain("closed.db").unwrap_err(),
    );
    page.add(
        "A drain of nobody",
        &["cluster.drain(\"db9\")"],
        cluster.drain("db9").unwrap_err(),
    );
    cluster.drain("closed.db (readers)").unwrap();
    until("drained", async || {
        cluster.topology().nodes[1].ineligible.is_some()
    })
    .await;
    page.add(
        "A replica() handle with its only replica drained",
        &["db.replica(): SELECT 1"],
        db.replica()
            .query_one_raw(sql(&db, "SELECT 1"))
            .await
            .unwrap_err(),
    );
    cluster.resume("closed.db (readers)").unwrap();
    db.clone().close().await.unwrap();
    page.add(
        "A write on a closed handle",
        &["db.close(); db: INSERT INTO t VALUES (1)"],
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap_err(),
    );
    page.add(
        "A read on a closed handle",
        &["db.close(); db: SELECT 1"],
        db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap_err(),
    );
    page.add(
        "A transaction on a closed handle",
        &["db.close(); db.begin()"],
        db.begin().await.unwrap_err(),
    );

    let none = RoutedConnection::default();
    page.add(
        "A statement on a handle that was never connected",
        &["RoutedConnection::default(): SELECT 1"],
        none.execute_unprepared("SELECT 1").await.unwrap_err(),
    );
    page.add(
        "Its explanation",
        &["default.explain(\"SELECT 1\")"],
        none.explain("SELECT 1"),
    );
    let statement = || sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "SELECT 1");
    let answers = [
        none.query_one_raw(statement()).await.map(drop).unwrap_err(),
        none.query_all_raw(statement()).await.map(drop).unwrap_err(),
        none.begin().await.map(drop).unwrap_err(),
        none.stream_raw(statement()).await.map(drop).unwrap_err(),
        none.ping().await.unwrap_err(),
        none.close_by_ref().await.unwrap_err(),
        none.cluster().export_metrics().await.unwrap_err().into(),
    ];
    for answer in answers {
        assert!(
            matches!(Error::from_db_err(&answer), Some(Error::Disconnected)),
            "{answer}"
        );
    }
    assert!(none.cluster().topology().nodes.is_empty());
    page.check("run_time.txt");
}

/// Errors of a server that is there.
#[tokio::test]
async fn a_server_that_lets_nobody_in_is_told_with_what_to_check() {
    let cluster = Cluster::builder()
        .standbys(1)
        .password(Some("hunter2"))
        .start()
        .unwrap();
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    let mut page = Page::new(vec![
        (format!(":{}", primary.port()), ":PORT"),
        (format!(":{}", standby.port()), ":STANDBY"),
    ]);
    let wrong = primary.url().replace("hunter2", "hunter2wrong");
    let start = |url: &str| RoutedConnection::builder().primary(url);
    page.add(
        "A wrong password",
        &["postgres://postgres:…@127.0.0.1:PORT/postgres"],
        refused(start(&wrong)).await,
    );
    page.add(
        "An unknown database",
        &["postgres://postgres:…@127.0.0.1:PORT/nowhere"],
        refused(start(&primary.url_of("nowhere"))).await,
    );
    page.add(
        "A standby as the primary",
        &["postgres://postgres:…@127.0.0.1:STANDBY/postgres"],
        refused(start(&standby.url())).await,
    );

    // A replica that lets nobody in is no reason not to start; the log says which and why.
    let (log, _guard) = Log::listen(tracing::Level::WARN);
    let db = start(&primary.url())
        .replica(format!("{}?name=copy", standby.url_of("nowhere")))
        .connect()
        .await
        .unwrap();
    let text = log.text();
    assert!(
        text.contains("node=\"copy\"") && text.contains("\"nowhere\" does not exist"),
        "{text}"
    );
    page.add(
        "A replica() handle, and the only replica lets nobody in",
        &["db.replica(): SELECT 1"],
        db.replica()
            .query_one_raw(sql(&db, "SELECT 1"))
            .await
            .unwrap_err(),
    );
    let err = db
        .query_one_raw(sql(&db, "SELECT * FROM nowhere"))
        .await
        .unwrap_err();
    assert!(
        Error::from_db_err(&err).is_none(),
        "the server's own answer passes unchanged: {err}"
    );
    page.check("run_time_servers.txt");
    a_knob_holds_beside_a_template(primary.url(), standby.url()).await;
}

/// What the environment or the builder says holds on every node, also where the connections come from a template.
async fn a_knob_holds_beside_a_template(primary: String, standby: String) {
    let db = RoutedConnection::builder()
        .connect_options(sea_orm::ConnectOptions::new(primary))
        .replica(standby)
        .statement_timeout(std::time::Duration::from_millis(4321))
        .connect()
        .await
        .unwrap();
    for handle in [db.primary(), db.replica()] {
        // A setting is at home in a transaction, so a replica may be asked for its own.
        let txn = handle
            .begin_with_config(None, Some(AccessMode::ReadOnly))
            .await
            .unwrap();
        let text = "SELECT current_setting('statement_timeout')";
        let row = txn.query_one_raw(sql(&db, text)).await.unwrap().unwrap();
        let value: String = row.try_get_by_index(0).unwrap();
        assert_eq!(value, "4321ms", "{}", txn.role());
        txn.rollback().await.unwrap();
    }
}
