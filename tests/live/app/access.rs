//! Access control through the handle.

use sea_orm::{EntityTrait, PaginatorTrait};

use super::model::user;
use super::{SLOT, count_from_here, schema as tables, served, served_by_standbys};

#[tokio::test]
async fn access_control_is_loaded_and_enforced_on_the_primary() {
    use sea_orm::rbac::{RbacContext, RbacUserId, schema};

    let place = SLOT.alone("app_rbac").await;
    let db = place.builder().connect().await.unwrap();
    tables(&db).apply(&db).await.unwrap();
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
