//! What connections have prepared is out of date after a change of the schema: nobody outside a transaction sees it (R5).

use futures_util::{TryStreamExt, future::join_all};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, StreamTrait, TransactionTrait};
use sealane::RoutedConnection;

use crate::{
    fixture::sql,
    heard::counter,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

/// In each pool.
const CONNECTIONS: u32 = 4;

/// So long that all connections are at it at one time.
const READ: &str = "SELECT thing.* FROM thing, pg_sleep(0.03)";
const WRITE: &str = "UPDATE thing SET n = n + 1 FROM pg_sleep(0.01) WHERE id = 1 RETURNING thing.*";
const CHANGE: &str =
    "ALTER TABLE thing ADD COLUMN more bigint DEFAULT 7, ALTER name TYPE text USING name";

mod thing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "thing")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub n: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn connect(place: &Place) -> RoutedConnection {
    place.others(
        "CREATE TABLE thing (id int PRIMARY KEY, name varchar(20), n bigint);
         INSERT INTO thing VALUES (1, 'one', 0)",
    );
    place
        .builder()
        .max_connections(CONNECTIONS)
        .replica_max_connections(CONNECTIONS)
        .connect()
        .await
        .unwrap()
}

/// Each kind of statement, on every connection at one time; how many rows were written, and what failed.
async fn every_kind(db: &RoutedConnection) -> (i64, Vec<DbErr>) {
    let (primary, replica) = (&db.primary(), &db.replica());
    let mut failed = Vec::new();
    for db in [primary, replica] {
        let reads = join_all((0..CONNECTIONS).map(|_| db.query_all_raw(sql(db, READ))));
        failed.extend(reads.await.into_iter().filter_map(Result::err));
        let found = join_all((0..CONNECTIONS).map(|_| thing::Entity::find().all(db)));
        failed.extend(found.await.into_iter().filter_map(Result::err));
        let streams = (0..CONNECTIONS).map(async |_| {
            let rows = db.stream_raw(sql(db, READ)).await?;
            rows.try_collect::<Vec<_>>().await
        });
        failed.extend(join_all(streams).await.into_iter().filter_map(Result::err));
    }
    let writes = join_all((0..CONNECTIONS).map(|_| db.query_one_raw(sql(db, WRITE)))).await;
    let written = writes.iter().filter(|written| written.is_ok()).count();
    failed.extend(writes.into_iter().filter_map(Result::err));
    (i64::try_from(written).unwrap(), failed)
}

async fn n(place: &Place) -> i64 {
    let n = place.on(place.primary(), "SELECT n FROM thing WHERE id = 1");
    n.trim().parse().unwrap()
}

#[tokio::test]
async fn a_change_of_the_schema_fails_no_statement_and_repeats_no_write() {
    let place = SLOT.shared("prepared").await;
    let db = connect(&place).await;
    let mut written = 0;
    for change in [
        None,
        Some(CHANGE),
        Some("ALTER TABLE thing DROP COLUMN more"),
    ] {
        if let Some(change) = change {
            place.others(change);
        }
        // The second time finds none that is out of date, or mends it.
        for _ in 0..2 {
            let (more, failed) = every_kind(&db).await;
            assert!(failed.is_empty(), "{change:?}: {failed:?}");
            written += more;
        }
    }
    assert_eq!((written, n(&place).await), (24, 24));
    for name in [
        "sealane_connection_errors_total",
        "sealane_ejections_total",
        "sealane_unknown_outcomes_total",
        "sealane_corrected_misroutes_total",
        "sealane_retries_total",
    ] {
        assert_eq!(counter(&db, name).await, 0, "{name}");
    }
}

/// Nothing can be repeated there: it is the caller's, as SeaORM gives it, and the connection is mended after the end.
#[tokio::test]
async fn in_a_transaction_the_caller_sees_it_and_the_next_ones_do_not() {
    let place = SLOT.shared("prepared_in_transactions").await;
    let db = connect(&place).await;
    let (_, failed) = every_kind(&db).await;
    assert!(failed.is_empty(), "{failed:?}");
    for streams in [false, true] {
        place.others(match streams {
            false => CHANGE,
            true => "ALTER TABLE thing DROP COLUMN more",
        });
        let run = async || {
            let txn = db.begin().await?;
            if streams {
                let rows = txn.stream_raw(sql(&db, READ)).await?;
                rows.try_collect::<Vec<_>>().await?;
            } else {
                txn.query_all_raw(sql(&db, READ)).await?;
            }
            txn.commit().await
        };
        let all_at_once = async || join_all((0..CONNECTIONS).map(async |_| run().await)).await;
        let first = all_at_once().await;
        let failed: Vec<_> = first.into_iter().filter_map(Result::err).collect();
        assert!(!failed.is_empty(), "none was out of date");
        for err in failed {
            assert!(sealane::Error::from_db_err(&err).is_none(), "{err}");
        }
        until("every connection to be mended", async || {
            all_at_once().await.iter().all(Result::is_ok)
        })
        .await;
    }
}
