//! The test suite of a small application, on one database and on a real primary and standby.
//!
//! `cargo test --example suite --features testing` runs it. The servers are started by `sealane-harness` from the PostgreSQL that
//! is installed; where there is none, the error has the command that installs it. `docs/testing.md` is the guide.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, TransactionTrait};
use sealane::{Consistency, Error, Outcome, RoutedConnection};

#[derive(FromQueryResult)]
struct Stock {
    pieces: i64,
}

/// How many pieces of something there are.
async fn pieces(db: &RoutedConnection, article: &str) -> Result<i64, DbErr> {
    let sql = "SELECT coalesce(sum(pieces), 0)::int8 AS pieces FROM movement WHERE article = $1";
    let select = Statement::from_sql_and_values(db.get_database_backend(), sql, [article.into()]);
    let stock = Stock::find_by_statement(select).one(db).await?;
    Ok(stock.map_or(0, |stock| stock.pieces))
}

/// Books what came in or went out, once for each delivery.
async fn book(db: &RoutedConnection, delivery: &str, pieces: i64) -> Result<(), DbErr> {
    let sql = "INSERT INTO movement (delivery, article, pieces) VALUES ($1, 'bolt', $2) \
               ON CONFLICT (delivery) DO NOTHING";
    let values = [delivery.into(), pieces.into()];
    let insert = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let txn = db.begin().await?;
    txn.execute_raw(insert).await?;
    txn.commit().await
}

/// Books a delivery whatever becomes of the network: an unknown outcome is no reason to give up, since booking twice is booking
/// once.
async fn receive(db: &RoutedConnection, delivery: &str, pieces: i64) -> Result<(), DbErr> {
    match book(db, delivery, pieces).await {
        Err(err) if is_unknown(&err) => book(db, delivery, pieces).await,
        end => end,
    }
}

fn is_unknown(err: &DbErr) -> bool {
    Error::from_db_err(err).is_some_and(|err| err.outcome() == Outcome::Unknown)
}

/// Takes pieces out and says how many are left, wrongly: this handle may miss what was booked a line above.
async fn take_and_tell_wrongly(db: &RoutedConnection, taken: i64) -> Result<i64, DbErr> {
    book(db, "order 7", -taken).await?;
    pieces(&db.with_consistency(Consistency::Eventual), "bolt").await
}

/// The same, right.
async fn take_and_tell(db: &RoutedConnection, taken: i64) -> Result<i64, DbErr> {
    book(db, "order 7", -taken).await?;
    pieces(db, "bolt").await
}

fn main() {
    // Nothing is run here: the suite is below.
    let _ = (receive, take_and_tell, take_and_tell_wrongly);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test's failure is its report")]
mod suite {
    use std::{sync::LazyLock, time::Duration};

    use sealane::testing::{Finding, RolledBack, assert_routed};
    use sealane_harness::{TestCluster, TestDatabase};

    use super::*;

    const TABLES: &str =
        "CREATE TABLE movement (delivery text PRIMARY KEY, article text, pieces int8)";

    /// One for the whole suite. It goes with the process.
    static SERVERS: LazyLock<TestCluster> =
        LazyLock::new(|| TestCluster::start().unwrap_or_else(|err| panic!("{err}")));

    /// What migrations leave: here one statement.
    fn migrated(servers: &TestCluster) -> TestDatabase {
        let database = servers.database().unwrap();
        let primary = servers.primary();
        primary.sql_in(database.name(), TABLES).unwrap();
        servers.caught_up().unwrap();
        database
    }

    async fn connect(database: &TestDatabase) -> RoutedConnection {
        let nodes = RoutedConnection::builder().primary(database.primary_url());
        nodes
            .replica(database.replica_url())
            .connect()
            .await
            .unwrap()
    }

    /// One database, no replica: the read is stale on servers, and this test says so at once.
    #[tokio::test]
    async fn a_stale_read_is_found_on_one_database() {
        let database = migrated(&SERVERS);
        let test = RolledBack::begin(database.primary_url()).await.unwrap();
        let db = test.connection();
        book(&db, "delivery 1", 10).await.unwrap();
        test.replicate().await.unwrap();

        take_and_tell_wrongly(&db, 3).await.unwrap_err();
        let found = test.end().await;
        assert!(
            matches!(&found[..], [Finding::StaleRead { relations, .. }] if relations == &["public.movement"])
        );
    }

    #[tokio::test]
    async fn what_is_right_passes_on_one_database() {
        let database = migrated(&SERVERS);
        let test = RolledBack::begin(database.primary_url()).await.unwrap();
        let db = test.connection();
        book(&db, "delivery 1", 10).await.unwrap();
        test.replicate().await.unwrap();

        assert_eq!(take_and_tell(&db, 3).await.unwrap(), 7);
        assert_eq!(test.end().await, []);
    }

    /// What must not load the primary is held to that.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_stock_is_read_on_a_replica_also_while_that_lags() {
        let servers = TestCluster::start().unwrap();
        let database = migrated(&servers);
        let db = connect(&database).await;
        assert_routed!(db, replica, { pieces(&db, "bolt").await }).unwrap();

        servers.lag(Duration::MAX).unwrap();
        assert_eq!(take_and_tell(&db, 3).await.unwrap(), -3);
        // Who has written nothing still reads there.
        let other = db.empty_session();
        assert_routed!(db, replica, { pieces(&other, "bolt").await }).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_delivery_is_booked_once_though_the_answer_was_lost() {
        let servers = TestCluster::start().unwrap();
        let database = migrated(&servers);
        let db = connect(&database).await;
        servers.unknown_outcome();
        receive(&db, "delivery 1", 10).await.unwrap();
        assert_eq!(servers.lost_answers(), 1);
        assert_eq!(pieces(&db, "bolt").await.unwrap(), 10);
    }
}
