//! Every way in which SeaORM reads.

use futures_util::TryStreamExt;
use sea_orm::{
    ColumnTrait, DerivePartialModel, EntityTrait, FromQueryResult, LoaderTrait, ModelTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, StreamTrait, prelude::*, raw_sql,
};
use sealane::RoutedConnection;

use super::model::{post, post_tag, profile, tag, user};
use super::{SLOT, count_from_here, schema, seed, served, served_by_standbys, settled};
use crate::{fixture::sql, heard::Heard, place::until};

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "post::Entity")]
struct Title {
    title: String,
}

#[derive(FromQueryResult)]
struct Row {
    name: String,
}

#[tokio::test]
async fn every_read_through_the_plain_handle_is_served_by_a_standby() {
    let place = SLOT.alone("app_reads").await;
    // With the pin of the defaults: the reads of the seeding itself are on the primary.
    let db = place
        .builder()
        .consistency(sealane::Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap();
    schema(&db).apply(&db).await.unwrap();
    seed(&db).await.unwrap();
    settled(&place, &db).await;

    count_from_here(&place);
    let (heard, _guard) = Heard::listen();
    entities(&db).await.unwrap();
    relations(&db).await.unwrap();
    pages(&db).await.unwrap();
    streams(&db).await.unwrap();
    raw(&db).await.unwrap();

    let decisions = heard.decisions();
    for one in &decisions {
        assert_eq!(
            (&*one.role, &*one.reason),
            ("replica", "replica"),
            "{one:?}"
        );
    }
    let standbys = served_by_standbys(&place);
    assert_eq!(served(place.primary()), Default::default());
    assert_eq!(standbys.writes, 0);
    assert_eq!(
        standbys.reads,
        u64::try_from(decisions.len()).unwrap(),
        "the servers counted what was decided"
    );
    // A replica that was slow to answer its first probe takes its share only when others have made up for it.
    until("both standbys' share", async || {
        user::Entity::find().count(&db).await.unwrap();
        let mut standbys = place.cluster().standbys().iter();
        standbys.all(|node| served(node).reads > 0)
    })
    .await;
    assert_eq!(served(place.primary()), Default::default());
}

async fn entities(db: &RoutedConnection) -> Result<(), DbErr> {
    let users = user::Entity::find()
        .order_by_asc(user::Column::Id)
        .all(db)
        .await?;
    assert_eq!(users.len(), 2);
    let alice = user::Entity::find_by_id(users[0].id)
        .one(db)
        .await?
        .unwrap();
    assert_eq!(alice.name, "Alice");
    let bobs = user::Entity::find().filter(user::Column::Name.eq("Bob"));
    assert_eq!(bobs.clone().count(db).await?, 1);
    assert!(bobs.exists(db).await?);
    let titles = post::Entity::find()
        .into_partial_model::<Title>()
        .all(db)
        .await?;
    assert!(titles.iter().all(|one| one.title.contains("post")));
    let names: Vec<String> = user::Entity::find()
        .select_only()
        .column(user::Column::Name)
        .into_tuple()
        .all(db)
        .await?;
    assert_eq!(names.len(), 2);
    let json = user::Entity::find().into_json().one(db).await?.unwrap();
    assert!(json["email"].is_string());
    Ok(())
}

async fn relations(db: &RoutedConnection) -> Result<(), DbErr> {
    let with_posts = user::Entity::find()
        .find_with_related(post::Entity)
        .order_by_asc(user::Column::Id)
        .all(db)
        .await?;
    let counts: Vec<usize> = with_posts.iter().map(|(_, posts)| posts.len()).collect();
    assert_eq!(counts, [3, 2]);
    let also = user::Entity::find()
        .find_also_related(profile::Entity)
        .all(db)
        .await?;
    assert!(also.iter().all(|(_, profile)| profile.is_some()));
    let (alice, _) = &with_posts[0];
    assert_eq!(alice.find_related(post::Entity).all(db).await?.len(), 3);

    let users = user::Entity::find().all(db).await?;
    let posts = users.load_many(post::Entity, db).await?;
    assert_eq!(posts.iter().map(Vec::len).sum::<usize>(), 5);
    let profiles = users.load_one(profile::Entity, db).await?;
    assert!(profiles.iter().all(Option::is_some));
    let tags = posts[0]
        .load_many_to_many(tag::Entity, post_tag::Entity, db)
        .await?;
    assert!(tags.iter().all(|tags| tags.len() == 1));

    let loaded = user::Entity::load()
        .with(profile::Entity)
        .with((post::Entity, tag::Entity))
        .all(db)
        .await?;
    assert_eq!(loaded.len(), 2);
    assert!(loaded.iter().all(|user| user.posts[0].tags.len() == 1));
    Ok(())
}

async fn pages(db: &RoutedConnection) -> Result<(), DbErr> {
    let pages = post::Entity::find()
        .order_by_asc(post::Column::Id)
        .paginate(db, 2);
    assert_eq!(pages.num_items_and_pages().await?.number_of_pages, 3);
    assert_eq!(pages.fetch_page(2).await?.len(), 1);
    let mut all = pages.into_stream();
    let mut seen = 0;
    while let Some(page) = all.try_next().await? {
        seen += page.len();
    }
    assert_eq!(seen, 5);

    let mut cursor = post::Entity::find().cursor_by(post::Column::Id);
    let first = cursor.first(2).all(db).await?;
    let next = cursor.after(first[1].id).first(2).all(db).await?;
    assert!(next[0].id > first[1].id);
    Ok(())
}

async fn streams(db: &RoutedConnection) -> Result<(), DbErr> {
    let posts: Vec<post::Model> = post::Entity::find().stream(db).await?.try_collect().await?;
    assert_eq!(posts.len(), 5);
    let rows = db
        .stream_raw(sql(
            db,
            "SELECT generate_series(1, 100), app_user.id FROM app_user",
        ))
        .await?;
    let rows: Vec<sea_orm::QueryResult> = rows.try_collect().await?;
    assert_eq!(rows.len(), 200);
    Ok(())
}

async fn raw(db: &RoutedConnection) -> Result<(), DbErr> {
    let stmt = sea_orm::Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT name FROM app_user WHERE email = $1",
        ["Bob@example.org".into()],
    );
    let bob = db.query_one_raw(stmt.clone()).await?.unwrap();
    assert_eq!(bob.try_get::<String>("", "name")?, "Bob");
    let bob = Row::find_by_statement(stmt).one(db).await?.unwrap();
    assert_eq!(bob.name, "Bob");
    let name = "Alice";
    let alice = user::Entity::find()
        .from_raw_sql(raw_sql!(
            Postgres,
            r#"SELECT * FROM app_user WHERE name = {name}"#
        ))
        .one(db)
        .await?;
    assert!(alice.is_some());
    let names = "WITH named AS (SELECT name FROM app_user) SELECT count(*) FROM named";
    let stmt = sql(db, names);
    assert_eq!(db.query_all_raw(stmt).await?.len(), 1);
    Ok(())
}
