//! Schema sync and RBAC through the handle.

use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};

use crate::fixture::{File, author, book};

#[cfg(feature = "schema-sync")]
#[tokio::test]
async fn schema_sync_creates_what_is_missing_and_leaves_what_exists() {
    let file = File::new();
    let db = file.connect().await;
    for _ in 0..2 {
        db.get_schema_builder()
            .register(author::Entity)
            .register(book::Entity)
            .sync(&db)
            .await
            .unwrap();
    }
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 0);
}

#[cfg(feature = "rbac")]
#[tokio::test]
async fn access_control_is_loaded_and_enforced() {
    use sea_orm::rbac::{RbacContext, RbacUserId, schema};

    let file = File::new();
    let db = file.with_tables().await;
    assert!(
        db.restricted_for(RbacUserId(1)).is_err(),
        "no rules are loaded yet"
    );
    schema::create_tables(&db, Default::default())
        .await
        .unwrap();
    let mut context = RbacContext::load(&db).await.unwrap();
    context.add_tables(&db, &["author"]).await.unwrap();
    context.add_crud_permissions(&db).await.unwrap();
    context.add_roles(&db, &["reader"]).await.unwrap();
    context
        .assign_user_role(&db, &[(1, "reader")])
        .await
        .unwrap();
    context
        .add_role_permissions(&db, "reader", &["select"], &["author"])
        .await
        .unwrap();
    db.load_rbac().await.unwrap();
    let reader = db.restricted_for(RbacUserId(1)).unwrap();
    assert_eq!(author::Entity::find().count(&reader).await.unwrap(), 0);
    author::Entity::delete_many()
        .exec(&reader)
        .await
        .unwrap_err();
    db.execute_unprepared("SELECT 1").await.unwrap();
}
