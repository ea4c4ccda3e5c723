//! Every way in which SeaORM writes.

use sea_orm::{
    ActiveValue::{Set, Unchanged},
    TransactionError, TransactionTrait,
    prelude::*,
    sea_query::OnConflict,
};
use sealane::RoutedConnection;

use super::model::{post, profile, tag, user};
use super::{SLOT, count_from_here, schema, served, served_by_standbys, settled};
use crate::heard::Heard;

#[tokio::test]
async fn every_write_runs_on_the_primary_and_no_standby_sees_one() {
    let place = SLOT.alone("app_writes").await;
    let db = place.builder().connect().await.unwrap();
    schema(&db).apply(&db).await.unwrap();
    settled(&place, &db).await;

    count_from_here(&place);
    let (heard, _guard) = Heard::listen();
    single_rows(&db).await.unwrap();
    many_rows(&db).await.unwrap();
    nested_saves(&db).await.unwrap();
    transactions(&db).await.unwrap();
    several_statements(&db).await.unwrap();

    for one in heard.decisions() {
        assert_eq!(one.role, "primary", "{one:?}");
    }
    assert_eq!(served_by_standbys(&place), Default::default());
    assert!(served(place.primary()).writes > 20);
    settled(&place, &db).await;
    assert_eq!(user::Entity::find().count(&db).await.unwrap(), 5);
    assert_eq!(served_by_standbys(&place).reads, 1);
}

fn named(name: &str) -> user::ActiveModel {
    user::ActiveModel {
        name: Set(name.into()),
        email: Set(format!("{name}@example.org")),
        ..Default::default()
    }
}

/// Alice stays.
async fn single_rows(db: &RoutedConnection) -> Result<(), DbErr> {
    let alice = named("Alice").insert(db).await?;
    let mut alice: user::ActiveModel = alice.into();
    alice.name = Set("Alice B.".into());
    let alice = alice.update(db).await?;
    assert_eq!(alice.name, "Alice B.");
    let saved = named("Carol").save(db).await?;
    let carol = saved.id.clone().unwrap();
    saved.delete(db).await?;
    user::Entity::delete_by_id(carol).exec(db).await?;
    let inserted = user::Entity::insert(named("Dave")).exec(db).await?;
    assert!(inserted.last_insert_id > carol);
    let again = user::Entity::insert(named("Dave"))
        .on_conflict(
            OnConflict::column(user::Column::Email)
                .update_column(user::Column::Name)
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    assert_eq!(again.id, inserted.last_insert_id);
    let refused = named("Dave").insert(db).await.unwrap_err();
    assert!(matches!(
        refused.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    ));
    let gone = user::Entity::delete_by_id(again.id).exec(db).await?;
    assert_eq!(gone.rows_affected, 1);
    Ok(())
}

/// Nothing stays.
async fn many_rows(db: &RoutedConnection) -> Result<(), DbErr> {
    user::Entity::insert_many(["e", "f", "g"].map(named))
        .exec(db)
        .await?;
    let returned = user::Entity::insert_many(["h", "i"].map(named))
        .exec_with_returning(db)
        .await?;
    assert_eq!(returned.len(), 2);
    let few = user::Column::Name.is_in(["e", "f", "g", "h", "i"]);
    let changed = user::Entity::update_many()
        .col_expr(user::Column::Name, Expr::value("many"))
        .filter(few)
        .exec_with_returning(db)
        .await?;
    assert_eq!(changed.len(), 5);
    let one = user::ActiveModel {
        id: Unchanged(changed[0].id),
        name: Set("many".into()),
        ..Default::default()
    };
    user::Entity::update(one).exec(db).await?;
    let gone = user::Entity::delete_many()
        .filter(user::Column::Name.eq("many"))
        .exec(db)
        .await?;
    assert_eq!(gone.rows_affected, 5);
    Ok(())
}

/// Bob stays.
async fn nested_saves(db: &RoutedConnection) -> Result<(), DbErr> {
    let mut bob = user::ActiveModel::builder()
        .set_name("Bob")
        .set_email("bob@example.org")
        .set_profile(profile::ActiveModel::builder().set_picture("bob.jpg"));
    for title in ["first", "second"] {
        let tag = tag::ActiveModel::builder().set_tag(format!("tag of {title}"));
        bob.posts
            .push(post::ActiveModel::builder().set_title(title).add_tag(tag));
    }
    let mut bob = bob.save(db).await?;
    bob.posts[0].title = Set("first, again".into());
    let bob = bob.save(db).await?;
    assert_eq!(bob.posts[0].title, Unchanged("first, again".into()));

    let mut other = user::ActiveModel::builder()
        .set_name("Other")
        .set_email("bob@example.org");
    other
        .posts
        .push(post::ActiveModel::builder().set_title("never stored"));
    other.save(db).await.unwrap_err();
    let stored = post::Entity::find().count(&db.primary()).await?;
    assert_eq!(
        stored, 2,
        "a nested save is stored as a whole or not at all"
    );
    Ok(())
}

/// Three rows stay.
async fn transactions(db: &RoutedConnection) -> Result<(), DbErr> {
    db.transaction::<_, _, DbErr>(|txn| Box::pin(async move { named("boxed").insert(txn).await }))
        .await
        .map_err(flat)?;
    let (name, number) = (String::from("borrowed"), user::Entity::find());
    db.transaction_async(async |txn| {
        named(&name).insert(txn).await?;
        let nested = txn
            .transaction_async(async |inner| {
                named("undone").insert(inner).await?;
                Err::<(), _>(DbErr::Custom("no".into()))
            })
            .await;
        assert!(matches!(nested, Err(TransactionError::Transaction(_))));
        number.count(txn).await
    })
    .await
    .map_err(flat)?;
    let txn = db.begin().await?;
    named("begun").insert(&txn).await?;
    txn.commit().await?;
    let txn = db.begin().await?;
    named("rolled back").insert(&txn).await?;
    txn.rollback().await
}

/// Nothing stays.
async fn several_statements(db: &RoutedConnection) -> Result<(), DbErr> {
    db.execute_unprepared(
        "INSERT INTO app_tag (tag) VALUES ('several'); SELECT count(*) FROM app_tag; \
         UPDATE app_tag SET tag = 'more' WHERE tag = 'several'; DELETE FROM app_tag WHERE tag = 'more'",
    )
    .await?;
    let stmt = sea_orm::Statement::from_sql_and_values(
        db.get_database_backend(),
        "WITH gone AS (DELETE FROM app_tag WHERE tag = $1 RETURNING id) SELECT count(*) FROM gone",
        ["nobody".into()],
    );
    db.query_one_raw(stmt).await?;
    let stmt = sea_orm::Statement::from_string(
        db.get_database_backend(),
        "INSERT INTO app_tag (tag) VALUES ('returned') RETURNING id",
    );
    let id: i32 = db.query_one_raw(stmt).await?.unwrap().try_get("", "id")?;
    tag::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

fn flat(err: TransactionError<DbErr>) -> DbErr {
    match err {
        TransactionError::Connection(err) | TransactionError::Transaction(err) => err,
    }
}
