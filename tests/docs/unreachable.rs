//! What an operator reads where a server gives no connection: at the start, and for reads, writes, transactions and
//! streams later. Each says which node, where, in which phase, what bounds that, and what the server said.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, StreamTrait, TransactionTrait};
use sealane::{Builder, Error, RoutedConnection, drop_in};
use sealane_harness::{Cluster, Forwarder};

use crate::{
    capture::Log,
    fixture::{closed_port, sql, until},
    page::Page,
};

const MS: Duration = Duration::from_millis(1);

/// With time-outs that are over soon.
fn quick(url: &str) -> Builder {
    RoutedConnection::builder()
        .primary(url)
        .acquire_timeout(800 * MS)
        .failover_timeout(300 * MS)
        .consistency(sealane::Consistency::Eventual)
}

async fn refused(builder: Builder) -> Error {
    builder.connect().await.unwrap_err()
}

/// `after 412ms` as `after TIME`, since no two runs wait alike.
fn timeless(text: &impl ToString) -> String {
    let text = text.to_string();
    let mut parts = text.split(" after ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find([' ', ',', ':', ';', ')']).unwrap_or(0);
        text + " after TIME" + &part[end..]
    })
}

/// A read, a write, a transaction and a stream, each of which gets no connection.
async fn all(when: &str, db: &RoutedConnection) -> [DbErr; 4] {
    let text = "SELECT 1";
    let answers = tokio::join!(
        db.query_one_raw(sql(db, text)),
        db.execute_unprepared("CREATE TABLE t (n int)"),
        db.begin(),
        db.stream_raw(sql(db, text)),
    );
    [
        answers.0.map(drop),
        answers.1.map(drop),
        answers.2.map(drop),
        answers.3.map(drop),
    ]
    .map(|answer| answer.expect_err(when))
}

#[tokio::test]
async fn a_start_without_a_connection_says_where_and_why() {
    let cluster = Cluster::builder()
        .password(Some("hunter2"))
        .start()
        .unwrap();
    let node = cluster.primary();
    let hole = Forwarder::to(node.addr()).unwrap();
    hole.black_hole();
    let (port, closed) = (node.port(), closed_port());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let name = folder.path().file_name().unwrap();
    let mut page = Page::new(vec![
        (format!(":{port}"), ":PORT"),
        (format!(":{closed}"), ":CLOSED"),
        (format!(":{}", hole.addr().port()), ":HOLE"),
        (path.clone(), "FOLDER"),
        (name.to_string_lossy().into_owned(), "FOLDER"),
    ]);
    node.sql("CREATE ROLE shut LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 0")
        .unwrap();
    let as_shut = node.url().replace("postgres:hunter2@", "shut:hunter2@");
    let url = node.url();

    let mut inputs = Vec::new();
    let mut add = |title: &str, given: &str, builder: Builder| {
        inputs.push((title.to_owned(), given.to_owned(), builder));
    };
    let named = format!("{url}?name=main").replace("hunter2@", "hunter2wrong@");
    add(
        "A wrong password, and a name",
        "…@127.0.0.1:PORT/postgres?name=main",
        quick(&named),
    );
    let nobody = url.replace("postgres:hunter2@", "nobody:hunter2@");
    add(
        "A role that does not exist",
        "nobody:…@127.0.0.1:PORT/postgres",
        quick(&nobody),
    );
    let several = format!("postgres://app:hunter2@127.0.0.1:{closed},127.0.0.1:{port}/shop");
    add(
        "Several hosts, and none lets it in",
        "app:…@127.0.0.1:CLOSED,127.0.0.1:PORT/shop",
        quick(&several),
    );
    add(
        "A role without connections",
        "shut:…@127.0.0.1:PORT/postgres (CONNECTION LIMIT 0)",
        quick(&as_shut),
    );
    let silent = format!(
        "postgres://app:hunter2@127.0.0.1:{}/shop",
        hole.addr().port()
    );
    add(
        "An address that swallows everything",
        "…@127.0.0.1:HOLE/shop",
        quick(&silent).connect_timeout(300 * MS),
    );
    let refusing = format!("postgres://app:hunter2@127.0.0.1:{closed}/shop");
    add(
        "A port on which nobody listens",
        "…@127.0.0.1:CLOSED/shop",
        quick(&refusing),
    );
    let socket = format!("postgres:///shop?host={path}&user=app&password=hunter2");
    add(
        "A socket that is not there",
        "postgres:///shop?host=FOLDER",
        quick(&socket),
    );

    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "these are notes, and no database at all; ".repeat(40),
    )
    .unwrap();
    let file = format!("sqlite://{}", text.display());
    add(
        "A file that is no database",
        "sqlite://FOLDER/notes.txt",
        quick(&file),
    );
    let directory = format!("sqlite://{path}?mode=rwc");
    add(
        "A folder as a SQLite file",
        "sqlite://FOLDER?mode=rwc",
        quick(&directory),
    );
    // At once, since most of them wait until their time is over.
    let all = inputs.into_iter().map(async |(title, given, builder)| {
        let err = refused(builder).await;
        (title, given, err)
    });
    for (title, given, err) in futures_util::future::join_all(all).await {
        page.add(&title, &[&given], timeless(&err));
    }
    page.check("unreachable_start.txt");

    // What the system and the build say differs.
    let unknown = refused(quick("postgres://app:hunter2@no-such-host.invalid/shop")).await;
    assert!(
        unknown.to_string().contains("check the host's name"),
        "{unknown}"
    );
    let tls = refused(quick(&format!("{url}?sslmode=require")))
        .await
        .to_string();
    let no_tls = "the server offers no TLS: switch it on there, or ask for less by `sslmode`";
    let not_built = "this build has no TLS: enable the Cargo feature";
    assert!(tls.contains(no_tls) || tls.contains(not_built), "{tls}");
    assert!(
        !tls.contains("START_WITHOUT") && !tls.contains("whether it runs"),
        "{tls}"
    );
}

#[tokio::test]
async fn a_statement_without_a_connection_says_where_and_why() {
    let cluster = Cluster::builder()
        .password(Some("hunter2"))
        .start()
        .unwrap();
    let node = cluster.primary();
    let mut page = Page::new(vec![(format!(":{}", node.port()), ":PORT")]);
    let whats = ["a read", "a write", "begin", "a stream"];

    // Every connection of this process is in use.
    let db = quick(&node.url())
        .max_connections(1)
        .connect()
        .await
        .unwrap();
    let txn = db.begin().await.unwrap();
    for (what, err) in whats.iter().zip(all("a full pool", &db).await) {
        assert!(
            matches!(Error::from_db_err(&err), Some(Error::Unavailable { .. })),
            "{err}"
        );
        page.add("The pool is full", &[what], timeless(&err));
    }
    txn.rollback().await.unwrap();
    db.close().await.unwrap();

    // Code that knows SeaORM's error by its variant meets it, and the log says the rest.
    let mut options = sea_orm::ConnectOptions::new(node.url());
    options.max_connections(1).acquire_timeout(2_000 * MS);
    let db = drop_in::Database::connect(options).await.unwrap();
    let txn = db.begin().await.unwrap();
    let (log, guard) = Log::listen(tracing::Level::WARN);
    let err = db.begin().await.map(drop).unwrap_err();
    drop(guard);
    assert_eq!(
        err,
        DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)
    );
    let text = log.text();
    assert!(
        text.contains("all connections that this process may have there are in use"),
        "{text}"
    );
    txn.rollback().await.unwrap();
    db.close().await.unwrap();

    // The server has no more for this role than what this process has already.
    node.sql("CREATE ROLE few LOGIN PASSWORD 'hunter2'")
        .unwrap();
    node.sql("GRANT ALL ON SCHEMA public TO few").unwrap();
    let few = node.url().replace("postgres:hunter2@", "few:hunter2@");
    let db = quick(&format!("{few}?name=main"))
        .min_connections(0)
        .connect()
        .await
        .unwrap();
    node.sql("ALTER ROLE few CONNECTION LIMIT 1").unwrap();
    let mut held = Vec::new();
    // The catalog's reader gives its connection back some time, and the server may be slow to say no.
    let mut refused = 0;
    until("the role's limit to be told", async || {
        match db.begin().await {
            Ok(txn) => held.push(txn),
            Err(err) => refused += usize::from(err.to_string().contains("too many")),
        }
        refused == 2
    })
    .await;
    assert!(held.len() < 8, "the role's limit is what ends it");
    for (what, err) in whats.iter().zip(all("a full role", &db).await) {
        page.add("The role has no more connections", &[what], timeless(&err));
    }
    for txn in held {
        txn.rollback().await.unwrap();
    }

    page.check("unreachable.txt");

    // The server is gone.
    node.kill().unwrap();
    until("the loss", async || {
        let nodes = db.cluster().topology().nodes;
        nodes.iter().all(|node| node.in_doubt)
    })
    .await;
    for (what, err) in whats.iter().zip(all("a server that is gone", &db).await) {
        let text = timeless(&err);
        for part in [
            "`main`",
            ":PORT)",
            "_timeout=",
            "refused",
            "check host and port",
        ] {
            let part = part.replace("PORT", &node.port().to_string());
            assert!(text.contains(&part), "{what} lacks {part}: {text}");
        }
    }
}
