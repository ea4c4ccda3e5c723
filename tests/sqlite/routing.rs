//! Table R on a handle: which statement goes where, and what a narrower handle changes.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, LoaderTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use sealane::{Error, Reason, Role};

use crate::fixture::{Decisions, File, author, book, sql};

async fn library(file: &File) -> sealane::RoutedConnection {
    let db = file.with_tables().await;
    let author = author::ActiveModel {
        name: Set("Ada".into()),
        ..Default::default()
    }
    .insert(&db)
    .await
    .unwrap();
    for title in ["Notes", "Letters", "Numbers"] {
        book::ActiveModel {
            title: Set(title.into()),
            author_id: Set(author.id),
            ..Default::default()
        }
        .insert(&db)
        .await
        .unwrap();
    }
    db
}

/// What is executed goes to the primary unjudged (rule I4).
#[tokio::test]
async fn writes_go_to_the_primary_and_reads_to_the_replica() {
    let file = File::new();
    let (decisions, _guard) = Decisions::listen();
    let db = library(&file).await;
    assert!(
        decisions.roles().iter().all(|role| role == "primary"),
        "DDL and INSERT … RETURNING are writes"
    );

    author::Entity::find().all(&db).await.unwrap();
    author::Entity::find_by_id(1)
        .one(&db)
        .await
        .unwrap()
        .unwrap();
    book::Entity::find().count(&db).await.unwrap();
    let first = decisions.take();
    assert_eq!(first.len(), 3);
    assert!(
        first
            .iter()
            .all(|decision| *decision == ("replica".into(), "replica".into())),
        "{first:?}"
    );

    book::Entity::update_many()
        .col_expr(book::Column::Title, "x".into())
        .filter(book::Column::Id.eq(1))
        .exec(&db)
        .await
        .unwrap();
    book::Entity::delete_by_id(3).exec(&db).await.unwrap();
    assert_eq!(
        decisions.take(),
        [
            ("primary".into(), "execute".into()),
            ("primary".into(), "execute".into())
        ]
    );
}

#[tokio::test]
async fn what_was_written_is_read_at_once_through_the_other_pool() {
    let file = File::new();
    let db = library(&file).await;
    for round in 0..500 {
        let name = format!("author {round}");
        let written = author::ActiveModel {
            name: Set(name.clone()),
            ..Default::default()
        }
        .insert(&db)
        .await
        .unwrap();
        let read = author::Entity::find_by_id(written.id)
            .one(&db.replica())
            .await
            .unwrap();
        assert_eq!(read.map(|author| author.name), Some(name));
    }
}

#[tokio::test]
async fn relations_loaders_pages_and_cursors_read_the_replica() {
    let file = File::new();
    let db = library(&file).await;
    let (decisions, _guard) = Decisions::listen();
    let with_books = author::Entity::find()
        .find_with_related(book::Entity)
        .all(&db)
        .await
        .unwrap();
    assert_eq!(with_books[0].1.len(), 3);
    let authors = author::Entity::find().all(&db).await.unwrap();
    let books = authors.load_many(book::Entity, &db).await.unwrap();
    assert_eq!(books[0].len(), 3);
    let pages = book::Entity::find()
        .order_by_asc(book::Column::Id)
        .paginate(&db, 2);
    assert_eq!(pages.num_pages().await.unwrap(), 2);
    assert_eq!(pages.fetch_page(1).await.unwrap().len(), 1);
    let mut cursor = book::Entity::find().cursor_by(book::Column::Id);
    assert_eq!(cursor.after(1).first(10).all(&db).await.unwrap().len(), 2);
    let roles = decisions.roles();
    assert!(
        roles.len() >= 6 && roles.iter().all(|role| role == "replica"),
        "{roles:?}"
    );
}

#[tokio::test]
async fn a_locking_or_unknown_read_goes_to_the_primary() {
    let file = File::new();
    let db = library(&file).await;
    let (decisions, _guard) = Decisions::listen();
    db.query_one_raw(sql(&db, "SELECT last_insert_rowid()"))
        .await
        .unwrap();
    db.query_one_raw(sql(&db, "PRAGMA user_version = 7"))
        .await
        .unwrap();
    db.query_all_raw(sql(&db, "WITH x AS (SELECT 1 AS a) SELECT a FROM x"))
        .await
        .unwrap();
    assert_eq!(decisions.roles(), ["primary", "primary", "replica"]);
}

#[tokio::test]
async fn primary_forces_and_replica_is_strict() {
    let file = File::new();
    let db = library(&file).await;
    let (decisions, _guard) = Decisions::listen();
    author::Entity::find().all(&db.primary()).await.unwrap();
    author::Entity::find().all(&db.replica()).await.unwrap();
    assert_eq!(
        decisions.take(),
        [
            ("primary".into(), "forced".into()),
            ("replica".into(), "forced".into())
        ]
    );

    let refused = db
        .replica()
        .execute_unprepared("DELETE FROM book")
        .await
        .unwrap_err();
    let ours = Error::from_db_err(&refused).expect("an error of ours");
    assert!(matches!(ours, Error::NotARead { .. }), "{ours}");
    assert_eq!(ours.outcome(), sealane::Outcome::NotExecuted);
    assert_eq!(book::Entity::find().count(&db).await.unwrap(), 3);
}

/// I3: the hint is for texts that cannot be given to another handle.
#[tokio::test]
async fn a_hint_in_the_text_sends_a_read_to_the_primary() {
    let file = File::new();
    let db = library(&file).await;
    let (decisions, _guard) = Decisions::listen();
    let plain = "SELECT name FROM author";
    let hinted = "SELECT name FROM author /* sealane:primary */";
    for text in [plain, hinted, plain] {
        assert_eq!(db.query_all_raw(sql(&db, text)).await.unwrap().len(), 1);
    }
    assert_eq!(
        decisions.take(),
        [
            ("replica".into(), "replica".into()),
            ("primary".into(), "primary_only".into()),
            ("replica".into(), "replica".into())
        ]
    );
    let explained = db.explain(hinted);
    assert_eq!(explained.reason, Reason::PrimaryOnly);
    assert_eq!(explained.part, "comment sealane:primary");

    let refused = db.replica().query_one_raw(sql(&db, hinted)).await;
    let refused = refused.unwrap_err();
    let ours = Error::from_db_err(&refused).expect("an error of ours");
    assert!(matches!(ours, Error::NotARead { .. }), "{ours}");

    // No hint takes a write there.
    let write = "DELETE FROM book /* sealane:replica */";
    db.query_all_raw(sql(&db, write)).await.unwrap();
    let roles = decisions.roles();
    assert_eq!(roles, ["primary"]);
}

#[tokio::test]
async fn explain_decides_and_sends_nothing() {
    let file = File::new();
    let db = library(&file).await;
    let read = db.explain("SELECT name FROM author");
    assert_eq!(
        (read.role, read.reason),
        (Some(Role::Replica), Reason::Replica)
    );
    let write = db.explain("DELETE FROM author");
    assert_eq!(
        (write.role, write.reason),
        (Some(Role::Primary), Reason::Write)
    );
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 1);
    assert!(write.to_string().contains("DELETE"), "{write}");
}

#[tokio::test]
async fn switched_off_everything_is_on_the_primary() {
    let file = File::new();
    library(&file).await.close().await.unwrap();
    let mut config = file.config();
    config.enabled = false;
    let db = sealane::RoutedConnection::connect(config).await.unwrap();
    let (decisions, _guard) = Decisions::listen();
    author::Entity::find().all(&db).await.unwrap();
    author::Entity::find().all(&db.replica()).await.unwrap();
    assert_eq!(
        decisions.take()[0],
        ("primary".into(), "only_primary".into())
    );
}

#[tokio::test]
async fn clones_and_spawned_tasks_share_one_cluster() {
    let file = File::new();
    let db = library(&file).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { book::Entity::find().limit(1).all(&db).await.unwrap().len() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
}
