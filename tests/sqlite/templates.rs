//! A template of one URL and a primary of another: the statements go to the primary's.

use std::{fs, path::Path};

use sea_orm::{ConnectOptions, ConnectionTrait, sqlx::sqlite::SqliteSynchronous};
use sealane::RoutedConnection;

use crate::fixture::{File, sql};

async fn of(template: ConnectOptions, url: &str) -> RoutedConnection {
    let builder = RoutedConnection::builder().connect_options(template);
    builder.primary(url).connect().await.unwrap()
}

async fn number(db: &RoutedConnection, text: &str) -> i64 {
    let row = db.query_one_raw(sql(db, text)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn write_and_read(db: &RoutedConnection) {
    db.execute_unprepared("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
        .await
        .unwrap();
    for handle in [db.clone(), db.primary(), db.replica()] {
        assert_eq!(number(&handle, "SELECT a FROM t").await, 7);
    }
}

fn is_database(path: &str) -> bool {
    fs::metadata(Path::new(path)).is_ok_and(|file| file.len() > 0)
}

#[tokio::test]
async fn the_primarys_file_is_written_and_the_templates_is_not() {
    let (own, other) = (File::new(), File::new());
    let db = of(ConnectOptions::new(other.url()), &own.url()).await;
    write_and_read(&db).await;
    assert!(is_database(&own.path()));
    assert!(!is_database(&other.path()), "nothing is written there");
}

#[tokio::test]
async fn a_file_beside_a_template_in_memory_is_a_file() {
    let own = File::new();
    let mut template = ConnectOptions::new("sqlite::memory:");
    template.map_sqlx_sqlite_opts(|options| options.synchronous(SqliteSynchronous::Extra));
    let db = of(template, &own.url()).await;
    write_and_read(&db).await;
    assert!(is_database(&own.path()));
    assert_eq!(number(&db.primary(), "PRAGMA synchronous").await, 3);
    let again = own.connect().await;
    assert_eq!(number(&again, "SELECT a FROM t").await, 7);
}

#[tokio::test]
async fn a_database_in_memory_beside_a_template_with_a_file_is_in_memory() {
    let other = File::new();
    let db = of(ConnectOptions::new(other.url()), "sqlite::memory:").await;
    write_and_read(&db).await;
    assert!(!is_database(&other.path()));
    let two = of(ConnectOptions::new(other.url()), "sqlite::memory:").await;
    assert!(two.execute_unprepared("SELECT a FROM t").await.is_err());
}

#[tokio::test]
async fn parameters_of_the_primarys_url_win_and_the_others_stay() {
    let own = File::new();
    let plain = format!("sqlite://{}", own.path());
    let db = of(ConnectOptions::new("sqlite::memory:?mode=rwc"), &plain).await;
    write_and_read(&db).await;
    db.close().await.unwrap();
    let template = ConnectOptions::new("sqlite::memory:?mode=rwc");
    let builder = RoutedConnection::builder().connect_options(template);
    let db = builder
        .primary(format!("{plain}?mode=ro"))
        .keep_journal_mode();
    let db = db.connect().await.unwrap();
    assert_eq!(number(&db.primary(), "SELECT a FROM t").await, 7);
    assert!(db.execute_unprepared("DELETE FROM t").await.is_err());
}
