//! SeaORM's own connection, for what insists on its type (rule C7).

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    IntoDatabaseExecutor, PaginatorTrait,
};

use crate::fixture::{File, author};

async fn takes_seaorms_type(db: &DatabaseConnection) -> Result<u64, DbErr> {
    author::Entity::find().count(db).await
}

#[tokio::test]
async fn a_function_that_names_seaorms_type_takes_concrete() {
    let file = File::new();
    let db = file.with_tables().await;
    author::ActiveModel {
        name: Set("a".into()),
        ..Default::default()
    }
    .insert(&db)
    .await
    .unwrap();
    assert_eq!(takes_seaorms_type(db.concrete()).await.unwrap(), 1);
    assert!(
        std::ptr::eq(db.concrete(), db.clone().concrete()) || db.concrete().ping().await.is_ok()
    );
}

#[tokio::test]
async fn an_executor_writes_on_the_primary_and_the_handle_reads_it() {
    let file = File::new();
    let db = file.with_tables().await;
    let executor = (&db).into_database_executor();
    executor
        .execute_unprepared("INSERT INTO author (name) VALUES ('by executor')")
        .await
        .unwrap();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 1);
}

#[tokio::test]
async fn migrations_run_through_the_handle() {
    use sea_orm_migration::prelude::*;

    #[derive(DeriveMigrationName)]
    struct CreateShelf;

    #[async_trait::async_trait]
    impl MigrationTrait for CreateShelf {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager
                .create_table(
                    Table::create()
                        .table("shelf")
                        .col(ColumnDef::new("id").integer().primary_key())
                        .to_owned(),
                )
                .await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager
                .drop_table(Table::drop().table("shelf").to_owned())
                .await
        }
    }

    struct Migrator;

    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(CreateShelf)]
        }
    }

    let file = File::new();
    let db = file.connect().await;
    Migrator::up(&db, None).await.unwrap();
    assert!(
        Migrator::get_pending_migrations(&db)
            .await
            .unwrap()
            .is_empty()
    );
    db.execute_unprepared("INSERT INTO shelf (id) VALUES (1)")
        .await
        .unwrap();
    Migrator::down(&db, None).await.unwrap();
    assert_eq!(
        Migrator::get_pending_migrations(&db).await.unwrap().len(),
        1
    );
}
