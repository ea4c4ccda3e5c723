//! What a connection says in its first round trip: whose server it leads to, and how its session reads a text (rule C4).

use sea_orm::ConnectionTrait;
use sealane::{Consistency, Role, RoutedConnection};
use sealane_harness::{
    Forwarder,
    mariadb::{Flavour, Node},
};

use super::stage::{Stage, create, own_cluster};
use crate::{fixture::sql, heard::Heard, place::until};

const INSERT: &str = "INSERT INTO note (text) VALUES ('x')";

/// One round trip, whatever it is for, and before anything else.
#[tokio::test]
async fn a_connection_is_asked_once_before_its_first_statement() {
    let stage = Stage::new("first_once").await;
    let db = stage.eventual().await;
    for node in stage.replicas() {
        node.reset_statements().unwrap();
        node.terminate_connections().unwrap();
    }
    let text = "SELECT id AS told FROM note";
    until("reads on both replicas", async || {
        db.query_all_raw(sql(&db, text)).await.unwrap();
        let sent = stage.sent("AS told");
        sent[1] > 0 && sent[2] > 0
    })
    .await;
    for node in stage.replicas() {
        let all = node.statements().unwrap();
        // MySQL's log parts what comes in one round trip.
        let first = match node.flavour() {
            Flavour::MariaDb => {
                &["SET SESSION TRANSACTION READ ONLY; SELECT @@global.read_only"][..]
            }
            Flavour::MySql => &[
                "SET SESSION TRANSACTION READ ONLY",
                "SELECT @@global.read_only",
            ],
        };
        let place = |begin: &str| all.iter().position(|one| one.starts_with(begin));
        let read = all.iter().position(|one| one.contains("AS told"));
        for begin in first {
            let asked = place(begin);
            assert!(asked.is_some() && asked < read, "{begin}: {all:#?}");
        }
    }
}

/// With `ANSI_QUOTES` what stands between double quotes is a name, and with `NO_BACKSLASH_ESCAPES` a backslash ends nothing.
#[tokio::test]
async fn texts_that_a_session_reads_otherwise_go_to_the_primary() {
    let stage = Stage::new("first_modes").await;
    for mode in ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"] {
        let (heard, _listening) = Heard::listen();
        // Not for the next start: it is put back below.
        let set = |mode: &str| {
            for node in stage.replicas() {
                node.sql(&format!("set global sql_mode = {mode}")).unwrap();
            }
        };
        let role = |db: &RoutedConnection, text: &str| db.explain(text).role;
        let db = stage.eventual().await;
        for text in [
            r#"SELECT "a" FROM note"#,
            r"SELECT 'a\\' FROM note",
            "SELECT 'a' FROM note",
        ] {
            assert_eq!(role(&db, text), Some(Role::Replica), "{text}");
        }
        drop(db);
        set(&format!("'{mode}'"));
        let db = stage.eventual().await;
        db.query_all_raw(sql(&db, "SELECT 'a' FROM note"))
            .await
            .unwrap();
        let changed = [r#"SELECT "a" FROM note"#, r"SELECT 'a\\' FROM note"];
        until("the mode known", async || {
            changed
                .iter()
                .all(|text| role(&db, text) == Some(Role::Primary))
        })
        .await;
        assert_eq!(role(&db, "SELECT 'a' FROM note"), Some(Role::Replica));
        assert!(
            heard.warnings().iter().any(|one| one.contains("sql_mode")),
            "{:?}",
            heard.warnings()
        );
        set("DEFAULT");
    }
}

/// A server that was started again is used again.
#[tokio::test]
async fn a_primary_that_was_started_again_takes_writes_again() {
    let stage = Stage::new("first_restart").await;
    let db = stage.builder().connect().await.unwrap();
    for _ in 0..2 {
        db.execute_unprepared(INSERT).await.unwrap();
        stage.primary().restart().unwrap();
        until("a write", async || {
            db.execute_unprepared(INSERT).await.is_ok()
        })
        .await;
    }
}

/// An address that leads to another server from now on, while the old one lives and takes writes: once a connection has led to
/// the new one, nothing more is written to the old one.
#[tokio::test]
async fn no_write_goes_to_a_server_that_the_name_has_left() {
    let cluster = own_cluster(1);
    let [old, new] = cluster.nodes() else {
        panic!()
    };
    create(old, "app");
    new.wait_caught_up_with(old).unwrap();
    let name = Forwarder::to(old.addr()).unwrap();
    let url = old.url_at(name.addr(), "app");
    let db = RoutedConnection::builder()
        .primary(url)
        .consistency(Consistency::Eventual);
    let db = db.connect().await.unwrap();
    db.execute_unprepared(INSERT).await.unwrap();
    new.promote().unwrap();
    name.redirect(new.addr());
    let rows = |node: &Node| node.sql_in("app", "SELECT count(*) FROM note").unwrap();
    let before = rows(new);
    until("a write on the new server", async || {
        db.execute_unprepared(INSERT).await.ok();
        rows(new) != before
    })
    .await;
    let left = rows(old);
    for _ in 0..20 {
        db.execute_unprepared(INSERT).await.unwrap();
    }
    assert_eq!(rows(old), left);
    // A planned change goes back without a restart.
    name.redirect(old.addr());
    name.disconnect();
    until("a write on the first server again", async || {
        db.execute_unprepared(INSERT).await.ok();
        rows(old) != left
    })
    .await;
}
