//! SeaORM's own connection and pool (rule C7): what is done through them is not seen, so reads keep away from the
//! replicas meanwhile, and for the pin after.

use std::time::Duration;

use sea_orm::{ConnectionTrait, IntoDatabaseExecutor, TransactionTrait, sqlx};
use sea_orm_migration::prelude::*;
use sealane::{Consistency, Reason, RoutedConnection};

use crate::{
    fixture::number,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

const COUNT: &str = "SELECT count(*) FROM t";
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

async fn connect(place: &Place, pin: Duration) -> RoutedConnection {
    place.others("CREATE TABLE IF NOT EXISTS t (n bigint)");
    place.hide_positions();
    let db = place.builder().consistency(Consistency::ReadYourWrites);
    db.pin(pin).connect().await.unwrap()
}

fn reason(db: &RoutedConnection) -> Reason {
    // No object of the user's, so that only the pin and not the catalog decides.
    db.explain("SELECT 1").reason
}

#[tokio::test]
async fn while_a_connection_is_out_reads_are_on_the_primary() {
    let place = SLOT.alone("concrete_out").await;
    let db = connect(&place, SHORT).await;
    let pool = db.get_postgres_connection_pool();
    assert_eq!(reason(&db), Reason::Replica, "nothing was done with it yet");
    let mut conn = pool.acquire().await.unwrap();
    // Longer than the pin: being out is enough.
    let begun = std::time::Instant::now();
    until("the length of a pin", async || {
        assert_eq!(reason(&db), Reason::NotCaughtUp);
        begun.elapsed() > SHORT
    })
    .await;
    let _frozen = place.freeze_replay();
    sqlx::raw_sql("INSERT INTO t VALUES (1)")
        .execute(&mut *conn)
        .await
        .unwrap();
    assert_eq!(number(&db, COUNT).await, 1);
    // The return is told by a task of sqlx's: from "out" to "pinned" there is no gap.
    drop(conn);
    until("the return", async || {
        assert_eq!(reason(&db), Reason::NotCaughtUp);
        pool.num_idle() == 1
    })
    .await;
    assert_eq!(reason(&db), Reason::NotCaughtUp, "the pin after the return");
    assert_eq!(number(&db, COUNT).await, 1);
    until("the end of the pin", async || {
        reason(&db) == Reason::Replica
    })
    .await;
}

#[tokio::test]
async fn every_way_to_the_concrete_connection_pins() {
    for way in ["concrete", "executor", "transaction", "pool"] {
        let place = SLOT.alone(&format!("concrete_{way}")).await;
        let db = connect(&place, LONG).await;
        let _frozen = place.freeze_replay();
        let insert = "INSERT INTO t VALUES (1)";
        match way {
            "concrete" => drop(db.concrete().execute_unprepared(insert).await.unwrap()),
            "executor" => {
                let executor = (&db).into_database_executor();
                executor.execute_unprepared(insert).await.unwrap();
            }
            "transaction" => {
                let txn = db.concrete().begin().await.unwrap();
                txn.execute_unprepared(insert).await.unwrap();
                txn.commit().await.unwrap();
            }
            _ => {
                let pool = db.get_postgres_connection_pool();
                sqlx::raw_sql(insert).execute(pool).await.unwrap();
            }
        }
        for _ in 0..10 {
            assert_eq!(number(&db, COUNT).await, 1, "{way}");
        }
        assert_eq!(reason(&db), Reason::NotCaughtUp, "{way}");
    }
}

/// C7, C1: of a transaction given away whole nothing is seen but that its server is at it.
#[tokio::test]
async fn a_transaction_given_away_keeps_reads_on_the_primary_until_it_is_over() {
    let place = SLOT.alone("concrete_given").await;
    place.others("CREATE TABLE t (n bigint)");
    let db = place.builder().consistency(Consistency::ReadYourWrites);
    let db = db.connect().await.unwrap();
    for commits in [true, false] {
        until("the replica", async || reason(&db) == Reason::Replica).await;
        let before = number(&db, COUNT).await;
        let frozen = place.freeze_replay();
        let txn = db.begin().await.unwrap().into_database_executor();
        txn.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        let begun = std::time::Instant::now();
        until("a while in which it is open", async || {
            assert_eq!(reason(&db), Reason::NotCaughtUp);
            begun.elapsed() > Duration::from_millis(600)
        })
        .await;
        let sea_orm::DatabaseExecutor::OwnedTransaction(txn) = txn else {
            panic!("it was open");
        };
        match commits {
            true => txn.commit().await.unwrap(),
            false => txn.rollback().await.unwrap(),
        }
        for _ in 0..20 {
            assert_eq!(number(&db, COUNT).await, before + i64::from(commits));
        }
        drop(frozen);
    }
    until("the replica", async || reason(&db) == Reason::Replica).await;
}

#[derive(DeriveMigrationName)]
struct CreateShelf;

#[async_trait::async_trait]
impl MigrationTrait for CreateShelf {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("CREATE TABLE shelf AS SELECT generate_series(1, 3) AS n")
            .await
            .map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("DROP TABLE shelf")
            .await
            .map(drop)
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateShelf)]
    }
}

#[tokio::test]
async fn migrations_leave_no_stale_read_behind() {
    let place = SLOT.alone("concrete_migrations").await;
    let db = connect(&place, LONG).await;
    let _frozen = place.freeze_replay();
    for _ in 0..5 {
        Migrator::up(&db, None).await.unwrap();
        // On a standby the table would not be there.
        assert_eq!(number(&db, "SELECT count(*) FROM shelf").await, 3);
        Migrator::down(&db, None).await.unwrap();
        let gone = "SELECT count(*) FROM pg_class WHERE relname = 'shelf'";
        assert_eq!(number(&db, gone).await, 0);
    }
    Migrator::up(&db, None).await.unwrap();
    Migrator::refresh(&db).await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM shelf").await, 3);
}

#[tokio::test]
async fn the_concrete_pool_is_the_primarys_with_the_callers_options_and_no_read_only_default() {
    let place = SLOT.alone("concrete_options").await;
    let mut options = sea_orm::ConnectOptions::new(place.primary_url());
    options
        .set_application_name("concrete")
        .set_schema_search_path("public,elsewhere");
    let db = RoutedConnection::builder()
        .connect_options(options)
        .replicas(place.replica_urls())
        .connect()
        .await
        .unwrap();
    let asked = "SELECT current_setting('application_name') || ' ' || current_setting('search_path') \
                 || ' ' || current_setting('default_transaction_read_only') || ' ' || pg_is_in_recovery()::text";
    let said: String = sqlx::query_scalar(asked)
        .fetch_one(db.get_postgres_connection_pool())
        .await
        .unwrap();
    assert_eq!(said, "concrete public, elsewhere off false");
    assert!(
        std::ptr::eq(db.concrete(), db.clone().concrete()),
        "one for all clones"
    );
    db.close().await.unwrap();
}

/// C7, C1: a statement whose future was dropped goes on, and a connection too old to be kept comes back all the same.
#[tokio::test]
async fn a_dropped_write_on_it_is_waited_for_however_old_its_connection_is() {
    let place = SLOT.alone("concrete_dropped").await;
    place.others("CREATE TABLE IF NOT EXISTS t (n bigint)");
    let mut options = sea_orm::ConnectOptions::new(place.primary_url());
    options.max_lifetime(Duration::from_millis(20));
    let db = RoutedConnection::builder()
        .connect_options(options)
        .replicas(place.replica_urls())
        .connect()
        .await
        .unwrap();
    let _frozen = place.freeze_replay();
    let slow = "INSERT INTO t SELECT 1 FROM pg_sleep(0.4)";
    let pool = db.get_postgres_connection_pool();
    let running = sqlx::raw_sql(slow).execute(pool);
    let cut = tokio::time::timeout(Duration::from_millis(100), running).await;
    assert!(cut.is_err(), "it takes longer");
    until("the end of the dropped write", async || {
        let least = number(&db.primary(), COUNT).await;
        let seen = number(&db, COUNT).await;
        assert!(seen >= least, "{seen} of {least}");
        least == 1
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
}
