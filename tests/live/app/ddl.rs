//! Migrations, schema sync and access control through the handle.

use sea_orm::{EntityTrait, PaginatorTrait};

use super::model::user;
use super::{SLOT, count_from_here, schema, served, served_by_standbys, settled};
use crate::fixture::number;

mod migrations {
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
    use migrations::Migrator;
    use sea_orm_migration::MigratorTrait;

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
    assert!(served(place.primary()).writes >= 6);
    assert_eq!(served_by_standbys(&place), Default::default());
    for node in place.cluster().standbys() {
        assert_eq!(node.statements_with("seaql_migrations").unwrap(), 0);
    }
}

#[cfg(feature = "schema-sync")]
#[tokio::test]
async fn schema_sync_looks_and_changes_on_the_primary() {
    mod next {
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "app_user")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            pub name: String,
            #[sea_orm(unique)]
            pub email: String,
            pub nickname: Option<String>,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }

    let place = SLOT.alone("app_sync").await;
    let db = place.builder().connect().await.unwrap();
    count_from_here(&place);
    // A standby that shows no table yet would have it created again, and fail.
    let frozen = place.freeze_replay();
    for _ in 0..2 {
        schema(&db).sync(&db).await.unwrap();
    }
    db.get_schema_builder()
        .register(next::Entity)
        .sync(&db)
        .await
        .unwrap();
    drop(frozen);
    for node in place.cluster().standbys() {
        assert_eq!(node.statements_with("information_schema").unwrap(), 0);
    }
    settled(&place, &db).await;
    assert_eq!(next::Entity::find().count(&db).await.unwrap(), 0);
    assert_eq!(served_by_standbys(&place).reads, 1);
    assert_eq!(served_by_standbys(&place).writes, 0);
}

#[cfg(feature = "rbac")]
#[tokio::test]
async fn access_control_is_loaded_and_enforced_on_the_primary() {
    use sea_orm::rbac::{RbacContext, RbacUserId, schema};

    let place = SLOT.alone("app_rbac").await;
    let db = place.builder().connect().await.unwrap();
    schema(&db).apply(&db).await.unwrap();
    assert!(
        db.restricted_for(RbacUserId(1)).is_err(),
        "no rules are loaded yet"
    );
    schema::create_tables(&db, Default::default())
        .await
        .unwrap();
    let mut context = RbacContext::load(&db.primary()).await.unwrap();
    context.add_tables(&db, &["app_user"]).await.unwrap();
    context.add_crud_permissions(&db).await.unwrap();
    context.add_roles(&db, &["reader"]).await.unwrap();
    context
        .assign_user_role(&db, &[(1, "reader")])
        .await
        .unwrap();
    context
        .add_role_permissions(&db, "reader", &["select"], &["app_user"])
        .await
        .unwrap();
    db.load_rbac().await.unwrap();
    place.caught_up();
    count_from_here(&place);
    let reader = db.restricted_for(RbacUserId(1)).unwrap();
    assert_eq!(user::Entity::find().count(&reader).await.unwrap(), 0);
    user::Entity::delete_many().exec(&reader).await.unwrap_err();
    assert_eq!(
        served(place.primary()).reads,
        1,
        "SeaORM's restricted connection is the primary's"
    );
    assert_eq!(served_by_standbys(&place), Default::default());
}
