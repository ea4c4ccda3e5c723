//! Schema sync through the handle.

use sea_orm::{EntityTrait, PaginatorTrait};

use super::{SLOT, count_from_here, schema, served_by_standbys, settled};

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
