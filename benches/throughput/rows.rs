//! The rows that are read and written: an ordinary table of a hundred thousand.

use sea_orm::{ConnectionTrait, entity::prelude::*};
use sealane_harness::Cluster;

use crate::arm;

/// How many rows there are; the keys run from 1 to this.
pub(crate) const ROWS: i64 = 100_000;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) balance: i64,
    pub(crate) visits: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Creates the table and its rows, and waits until the standbys have them.
pub(crate) async fn fill(cluster: &Cluster) -> crate::Result<()> {
    let db = arm::bare(&cluster.primary().url(), 1).await?;
    db.execute_unprepared(&format!(
        "DROP TABLE IF EXISTS account; CREATE TABLE account (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, \
         city text NOT NULL, balance bigint NOT NULL, visits bigint NOT NULL) WITH (fillfactor = 80); \
         INSERT INTO account SELECT n, 'account ' || n, n || '@example.org', 'Nowhere', n * 100, 0 \
         FROM generate_series(1, {ROWS}) AS n"
    ))
    .await?;
    db.execute_unprepared("VACUUM ANALYZE account").await?;
    db.close().await?;
    cluster.wait_caught_up()?;
    Ok(())
}
