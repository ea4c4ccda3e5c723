//! The read-only default of SQLite's readers: `mode=ro` and `query_only` together (rule I7).

use sea_orm::{AccessMode, ConnectionTrait, TransactionTrait};

use crate::fixture::{File, sql};

/// Every write that slips past one of the two guards alone.
const WRITES: &[&str] = &[
    "INSERT INTO author (name) VALUES ('x')",
    "CREATE TEMP TABLE t (id)",
    "VACUUM INTO '/dev/null/never'",
    "PRAGMA user_version = 7",
];

#[tokio::test]
async fn a_readers_connection_refuses_every_write() {
    let file = File::new();
    let db = file.with_tables().await;
    // SeaORM's own transaction is the one way to hand an arbitrary text to a reader's connection.
    let reader = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(reader.role(), sealane::Role::Replica);
    for write in WRITES {
        assert!(
            reader.concrete().execute_unprepared(write).await.is_err(),
            "{write} passed the read-only default"
        );
    }
    // Lifting `query_only` by hand leaves `mode=ro`.
    reader
        .concrete()
        .execute_unprepared("PRAGMA query_only = OFF")
        .await
        .unwrap();
    assert!(
        reader
            .concrete()
            .execute_unprepared(WRITES[0])
            .await
            .is_err()
    );
    reader
        .concrete()
        .execute_unprepared("PRAGMA query_only = ON")
        .await
        .unwrap();
    reader.rollback().await.unwrap();
    let row = db
        .query_one_raw(sql(&db, "SELECT count(*) FROM author"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 0);
}
