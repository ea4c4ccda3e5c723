//! The entity that is selected: an ordinary row of seven columns among ten thousand.

use std::time::Duration;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Table;
use sea_orm::{ActiveValue::Set, ConnectionTrait, Database, DbBackend, QueryTrait, Schema};

use crate::servers::Servers;

/// How many rows there are; the keys run from 1 to this.
pub(crate) const ROWS: i64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bench_account")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) city: String,
    pub(crate) balance: i64,
    pub(crate) visits: i32,
    pub(crate) note: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The text of the point select, as SeaORM renders it.
pub(crate) fn point_select() -> String {
    Entity::find_by_id(1).build(DbBackend::Postgres).sql
}

/// A write that changes nothing: it moves the write clock.
pub(crate) const TOUCH: &str = "UPDATE bench_account SET visits = visits WHERE id = 1";

/// Creates the table and its rows, by connections of its own, and waits until the reader shows them.
pub(crate) async fn fill(servers: &Servers) -> crate::Result<()> {
    let db = Database::connect(&servers.primary).await?;
    let backend = db.get_database_backend();
    db.execute(Table::drop().table(Entity).if_exists()).await?;
    db.execute(&Schema::new(backend).create_table_from_entity(Entity))
        .await?;
    // Tells these rows from those of an earlier run, which a replica may still show.
    let run = format!("{:x}", fastrand::u64(..));
    for first in (1..=ROWS).step_by(500) {
        let rows = (first..first + 500).map(|id| ActiveModel {
            id: Set(id),
            name: Set(format!("account {id}")),
            email: Set(format!("{id}@example.org")),
            city: Set("Nowhere".into()),
            balance: Set(id * 100),
            visits: Set(0),
            note: Set((id % 2 == 0).then(|| run.clone())),
        });
        Entity::insert_many(rows)
            .exec_without_returning(&db)
            .await?;
    }
    match backend {
        DbBackend::Sqlite => db.execute_unprepared("PRAGMA journal_mode = WAL").await?,
        _ => {
            db.execute_unprepared("VACUUM ANALYZE bench_account")
                .await?
        }
    };
    db.close().await?;

    let reader = Database::connect(servers.reader()).await?;
    let shown = async {
        let last = || Entity::find_by_id(ROWS).one(&reader);
        while !matches!(last().await, Ok(Some(row)) if row.note.as_ref() == Some(&run)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shown).await?;
    reader.close().await?;
    Ok(())
}
