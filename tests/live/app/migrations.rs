//! Migrations through the handle.

use super::{SLOT, count_from_here, served_by_standbys};
use crate::fixture::number;

mod shelf {
    use sea_orm_migration::prelude::*;

    #[derive(DeriveMigrationName)]
    struct CreateShelf;

    #[async_trait::async_trait]
    impl MigrationTrait for CreateShelf {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let shelf = Table::create()
                .table("app_shelf")
                .col(ColumnDef::new("id").integer().primary_key())
                .to_owned();
            manager.create_table(shelf).await?;
            manager
                .get_connection()
                .execute_unprepared("INSERT INTO app_shelf SELECT generate_series(1, 7)")
                .await
                .map(drop)
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let shelf = Table::drop().table("app_shelf").to_owned();
            manager.drop_table(shelf).await
        }
    }

    pub struct Migrator;

    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(CreateShelf)]
        }
    }
}

#[tokio::test]
async fn migrations_run_on_the_primary_alone() {
    use sea_orm_migration::MigratorTrait;
    use shelf::Migrator;

    let place = SLOT.alone("app_migrations").await;
    let db = place.builder().connect().await.unwrap();
    count_from_here(&place);
    Migrator::up(&db, None).await.unwrap();
    Migrator::status(&db).await.unwrap();
    assert!(
        Migrator::get_pending_migrations(&db)
            .await
            .unwrap()
            .is_empty()
    );
    Migrator::refresh(&db).await.unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM app_shelf").await, 7);
    Migrator::down(&db, None).await.unwrap();
    assert_eq!(
        Migrator::get_pending_migrations(&db).await.unwrap().len(),
        1
    );
    // Before PostgreSQL 16, DDL that is prepared once and run again on its connection is counted once.
    for part in ["CREATE TABLE \"app_shelf\"", "DROP TABLE \"app_shelf\""] {
        assert_ne!(place.primary().statements_with(part).unwrap(), 0, "{part}");
    }
    let filled = place.primary().statements_with("INSERT INTO app_shelf");
    assert_eq!(filled.unwrap(), 2);
    assert_eq!(served_by_standbys(&place), Default::default());
    for node in place.cluster().standbys() {
        assert_eq!(node.statements_with("seaql_migrations").unwrap(), 0);
    }
}
