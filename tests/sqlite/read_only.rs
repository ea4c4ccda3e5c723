//! A file that is opened read only by its URL stays readable.

use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use sealane::RoutedConnection;

use crate::fixture::{File, author};

#[tokio::test]
async fn a_read_only_url_serves_reads_and_refuses_writes() {
    let file = File::new();
    let writer = file.with_tables().await;
    let db = RoutedConnection::builder()
        .primary(format!("sqlite://{}?mode=ro", file.path()))
        .keep_journal_mode()
        .connect()
        .await
        .unwrap();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 0);
    db.execute_unprepared("DELETE FROM author")
        .await
        .unwrap_err();
    drop(writer);
}
