//! What the caller may conclude from MariaDB's and MySQL's errors (rule T9).

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{Outcome, RoutedConnection};
use sealane_harness::mariadb::Flavour;

use super::stage::Stage;
use crate::{
    faults::{outcome, within},
    place::until,
};

const LIMIT: Duration = Duration::from_secs(60);

/// The server's own number, where an error has one.
fn number(err: &DbErr) -> u16 {
    use sea_orm::{RuntimeErr, sqlx};
    let of = |err: &sqlx::Error| {
        let err = err.as_database_error();
        let err = err.and_then(|err| err.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
        err.map_or(0, |err| err.number())
    };
    match err {
        DbErr::Exec(RuntimeErr::SqlxError(err)) | DbErr::Query(RuntimeErr::SqlxError(err)) => {
            of(err)
        }
        _ => 0,
    }
}

async fn open(stage: &Stage) -> RoutedConnection {
    stage.builder().connect().await.unwrap()
}

/// The lock and the deadlock of two transactions, a statement's time, and one that was stopped: each of them did nothing.
#[tokio::test]
async fn what_the_server_ended_by_a_limit_was_not_executed() {
    let stage = Stage::new("errors_limits").await;
    let db = open(&stage).await;
    stage.others("INSERT INTO note VALUES (1, 'a'), (2, 'b')");
    let change = |id: i32| format!("UPDATE note SET text = 'changed' WHERE id = {id}");

    let holder = db.begin().await.unwrap();
    holder.execute_unprepared(&change(1)).await.unwrap();
    let waiter = db.begin().await.unwrap();
    waiter
        .execute_unprepared("SET SESSION innodb_lock_wait_timeout = 1")
        .await
        .unwrap();
    let err = within(LIMIT, waiter.execute_unprepared(&change(1)))
        .await
        .unwrap_err();
    assert_eq!(
        (number(&err), outcome(&err)),
        (1205, Outcome::NotExecuted),
        "{err}"
    );
    waiter
        .execute_unprepared("SET SESSION innodb_lock_wait_timeout = 50")
        .await
        .unwrap();

    waiter.execute_unprepared(&change(2)).await.unwrap();
    let crossing = holder.execute_unprepared("UPDATE note SET text = 'crossed' WHERE id = 2");
    let crossed = waiter.execute_unprepared("UPDATE note SET text = 'crossed' WHERE id = 1");
    let (one, other) = within(LIMIT, async { tokio::join!(crossing, crossed) }).await;
    let err = one.err().or(other.err()).unwrap();
    assert_eq!(
        (number(&err), outcome(&err)),
        (1213, Outcome::NotExecuted),
        "{err}"
    );
    drop((holder, waiter));

    // MySQL's bounds reads alone, and ends a sleep early without an error.
    let (slow, ended) = match stage.primary().flavour() {
        Flavour::MariaDb => (
            "SET STATEMENT max_statement_time = 0.05 FOR UPDATE note SET text = sleep(10)",
            1969,
        ),
        Flavour::MySql => (
            "SELECT /*+ MAX_EXECUTION_TIME(50) */ count(*) FROM information_schema.columns a, \
             information_schema.columns b, information_schema.columns c",
            3024,
        ),
    };
    let err = within(LIMIT, db.execute_unprepared(slow))
        .await
        .unwrap_err();
    assert_eq!(
        (number(&err), outcome(&err)),
        (ended, Outcome::NotExecuted),
        "{err}"
    );

    let stopped = {
        let db = db.clone();
        tokio::spawn(async move {
            db.execute_unprepared("UPDATE note SET text = sleep(20)")
                .await
        })
    };
    until("a running statement", async || {
        stage.primary().running("sleep(20)").unwrap() == 1
    })
    .await;
    let kill = "select concat('kill query ', id) from information_schema.processlist where info like '%sleep(20)%' \
                and info not like '%processlist%'";
    let kill = stage.primary().sql(kill).unwrap();
    stage.primary().sql(&kill).unwrap();
    let err = within(LIMIT, stopped).await.unwrap().unwrap_err();
    assert_eq!(
        (number(&err), outcome(&err)),
        (1317, Outcome::NotExecuted),
        "{err}"
    );
    let left = stage.primary().sql_in(
        "errors_limits",
        "SELECT group_concat(text ORDER BY id) FROM note",
    );
    assert_eq!(left.unwrap(), "a,b");
}

/// A write whose connection was ended in the midst may have been executed.
#[tokio::test]
async fn a_write_whose_connection_was_killed_is_unknown() {
    let stage = Stage::new("errors_killed").await;
    let db = open(&stage).await;
    stage.others("INSERT INTO note VALUES (1, 'a')");
    let cut = {
        let db = db.clone();
        tokio::spawn(async move {
            db.execute_unprepared("UPDATE note SET text = sleep(20)")
                .await
        })
    };
    until("a running statement", async || {
        stage.primary().running("sleep(20)").unwrap() == 1
    })
    .await;
    stage.primary().terminate_connections().unwrap();
    let err = within(LIMIT, cut).await.unwrap().unwrap_err();
    assert_eq!(outcome(&err), Outcome::Unknown, "{err}");
    // The next one finds no dead connection.
    db.execute_unprepared("UPDATE note SET text = 'b'")
        .await
        .unwrap();
}

/// A COMMIT that the server's end took with it.
#[tokio::test]
async fn a_commit_that_a_kill_took_with_it_is_unknown() {
    let stage = Stage::new("errors_commit").await;
    let db = open(&stage).await;
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO note VALUES (1, 'a')")
        .await
        .unwrap();
    stage.primary().freeze();
    let committing = tokio::spawn(txn.commit());
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.primary().kill().unwrap();
    let err = within(LIMIT, committing).await.unwrap().unwrap_err();
    assert_eq!(outcome(&err), Outcome::Unknown, "{err}");
    stage.primary().start().unwrap();
    within(LIMIT, async {
        until("a write after the restart", async || {
            db.execute_unprepared("INSERT INTO note VALUES (2, 'b')")
                .await
                .is_ok()
        })
        .await;
    })
    .await;
}

/// A server without a free connection is alive: the statement was not begun.
#[tokio::test]
async fn a_server_that_is_full_has_executed_nothing() {
    let stage = Stage::new("errors_full").await;
    stage.primary().set("max_connections", "10").unwrap();
    let url = stage.primary().url_of("errors_full");
    let mut options = sea_orm::ConnectOptions::new(url);
    options
        .max_connections(40)
        .acquire_timeout(Duration::from_secs(1));
    let hog = sea_orm::Database::connect(options).await.unwrap();
    let mut held = Vec::new();
    while let Ok(txn) = hog.begin().await {
        held.push(txn);
    }
    let db = stage
        .builder()
        .acquire_timeout(Duration::from_secs(1))
        .failover_timeout(Duration::from_millis(200));
    let failed = match db.connect().await {
        Err(_) => None,
        Ok(db) => db
            .execute_unprepared("INSERT INTO note VALUES (1, 'a')")
            .await
            .err(),
    };
    if let Some(err) = failed {
        assert_eq!(outcome(&err), Outcome::NotExecuted, "{err}");
    }
    drop(held);
    stage.primary().set("max_connections", "200").unwrap();
    assert_eq!(
        stage
            .primary()
            .sql_in("errors_full", "SELECT count(*) FROM note")
            .unwrap(),
        "0"
    );
}
