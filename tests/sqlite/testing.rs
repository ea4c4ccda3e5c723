//! What a test of an application is told of where its statements went (feature `testing`).

use futures_util::{FutureExt, TryStreamExt};
use sea_orm::{
    AccessMode, ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr,
    EntityTrait, QueryFilter, StreamTrait, TransactionTrait,
};
use sealane::{
    Reason, Role, RoutedConnection,
    testing::{RoutedStatement, assert_routed, carried, record, routed},
};

use crate::fixture::{File, author, sql};

async fn add(db: &RoutedConnection, name: &str) -> Result<author::Model, DbErr> {
    let author = author::ActiveModel {
        name: Set(name.into()),
        ..Default::default()
    };
    author.insert(db).await
}

fn roles(statements: &[RoutedStatement]) -> Vec<Role> {
    statements.iter().filter_map(|one| one.role).collect()
}

#[tokio::test]
async fn a_block_whose_reads_go_to_a_replica_passes_and_gives_its_value() {
    let file = File::new();
    let db = file.with_tables().await;
    add(&db, "Ada").await.unwrap();
    let found = assert_routed!(db, replica, { author::Entity::find().all(&db).await }).unwrap();
    assert_eq!(found.len(), 1);
    let added = assert_routed!(&db, primary, {
        add(&db, "Grace").await?;
        let txn = db.begin().await?;
        author::Entity::find().all(&txn).await?;
        txn.commit().await?;
        Ok::<_, DbErr>(7)
    });
    assert_eq!(added.unwrap(), 7);
}

#[tokio::test]
async fn a_write_among_reads_is_named_with_its_reason_and_without_its_values() {
    let file = File::new();
    let db = file.with_tables().await;
    let work = async {
        author::Entity::find()
            .filter(author::Column::Name.eq("pepper"))
            .all(&db)
            .await?;
        db.execute_unprepared("DELETE FROM author WHERE name = 'pepper'")
            .await?;
        add(&db, "pepper").await
    };
    let misrouted = routed(&db, Role::Replica, work).await.unwrap_err();
    assert_eq!(
        roles(misrouted.statements()),
        [Role::Replica, Role::Primary, Role::Primary]
    );
    let said = misrouted.to_string();
    assert!(
        said.starts_with("2 of 3 statements did not go to a replica"),
        "{said}"
    );
    assert!(said.contains("execute: handed to execute"), "{said}");
    assert!(said.contains("because of: keyword INSERT"), "{said}");
    assert!(said.contains("DELETE FROM author WHERE name = ?"), "{said}");
    assert!(!said.contains("pepper"), "{said}");
    assert!(!format!("{misrouted:?}").contains("pepper"));
}

#[tokio::test]
async fn a_block_that_sends_nothing_fails_and_so_does_one_that_is_refused() {
    let file = File::new();
    let db = file.with_tables().await;
    let nothing = routed(&db, Role::Replica, async {}).await.unwrap_err();
    assert!(
        nothing.to_string().contains("no statement was sent"),
        "{nothing}"
    );

    let replica = db.replica();
    let refused = replica.query_all_raw(sql(
        &db,
        "INSERT INTO author (name) VALUES ('x') RETURNING id",
    ));
    let refused = routed(&db, Role::Replica, refused).await.unwrap_err();
    assert_eq!(refused.statements()[0].failure, Some("not_a_read"));
    assert!(
        refused.to_string().contains("not sent, failed: not_a_read"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_runs_beside_the_block_does_not_count_and_what_it_carries_into_a_task_does() {
    let file = File::new();
    let db = file.with_tables().await;
    let beside = async {
        for _ in 0..20 {
            add(&db, "beside").await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let block = record(&db, async {
        for _ in 0..20 {
            author::Entity::find().all(&db).await.unwrap();
            tokio::task::yield_now().await;
        }
        let own = db.clone();
        tokio::spawn(async move { add(&own, "spawned").await.unwrap() })
            .await
            .unwrap();
        let own = db.clone();
        tokio::spawn(carried(async move { add(&own, "carried").await.unwrap() }))
            .await
            .unwrap();
    });
    let ((), ((), statements)) = tokio::join!(beside, block);
    let mut expected = vec![Role::Replica; 20];
    expected.push(Role::Primary);
    assert_eq!(roles(&statements), expected);
}

#[tokio::test]
async fn transactions_savepoints_and_streams_are_followed() {
    let file = File::new();
    let db = file.with_tables().await;
    add(&db, "Ada").await.unwrap();
    let ((), statements) = record(&db, async {
        let txn = db
            .begin_with_config(None, Some(AccessMode::ReadOnly))
            .await
            .unwrap();
        author::Entity::find().all(&txn).await.unwrap();
        let nested = txn.begin().await.unwrap();
        author::Entity::find().all(&nested).await.unwrap();
        nested.commit().await.unwrap();
        txn.commit().await.unwrap();
        let rows = StreamTrait::stream_raw(&db, sql(&db, "SELECT * FROM author"))
            .await
            .unwrap();
        assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    })
    .await;
    let texts: Vec<&str> = statements.iter().map(|one| &*one.text).collect();
    assert_eq!(texts[0], "BEGIN");
    assert_eq!(texts[2], "SAVEPOINT");
    assert_eq!(
        texts[4..],
        ["RELEASE SAVEPOINT", "COMMIT", "SELECT * FROM author"]
    );
    assert!(
        statements.iter().all(|one| one.role == Some(Role::Replica)),
        "{statements:?}"
    );
    assert_eq!(statements[0].reason, Some(Reason::ReadOnlyTransaction));
    assert_eq!(statements[1].reason, Some(Reason::Transaction));
}

#[tokio::test]
async fn a_block_inside_a_block_counts_for_both_and_another_cluster_for_none() {
    let (file, other) = (File::new(), File::new());
    let (db, foreign) = (file.with_tables().await, other.with_tables().await);
    let ((), statements) = record(&db, async {
        add(&foreign, "foreign").await.unwrap();
        assert_routed!(db, replica, { author::Entity::find().all(&db).await }).unwrap();
        let ((), others) = record(&foreign, async {
            author::Entity::find().all(&foreign).await.unwrap();
            author::Entity::find().all(&db).await.unwrap();
        })
        .await;
        assert_eq!(others.len(), 1);
    })
    .await;
    assert_eq!(roles(&statements), [Role::Replica; 2]);
}

#[tokio::test]
async fn after_a_panic_in_a_block_the_next_one_begins_anew() {
    let file = File::new();
    let db = file.with_tables().await;
    let panicking = record(&db, async {
        add(&db, "Ada").await.unwrap();
        panic!("the application");
    });
    let panicking: futures_util::future::BoxFuture<'_, ((), _)> = panicking.boxed();
    std::panic::AssertUnwindSafe(panicking)
        .catch_unwind()
        .await
        .unwrap_err();
    assert_routed!(db, replica, { author::Entity::find().all(&db).await }).unwrap();
}

#[tokio::test]
#[should_panic(expected = "did not go to a replica")]
async fn the_macro_panics_where_it_stands() {
    let file = File::new();
    let db = file.with_tables().await;
    let _ = assert_routed!(db, replica, { add(&db, "Ada").await });
}
