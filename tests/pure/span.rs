//! A statement's span costs nothing while nobody listens.

use sea_orm::{DbBackend, DbErr, Statement};

use crate::{
    RoutedConnection,
    span::{StatementSpan, Subject},
};

/// What becomes of one statement's span: one that ends well, one that fails, one whose caller goes away.
fn spans(db: &RoutedConnection, stmt: &Statement, err: &DbErr) {
    let shared = db.shared().unwrap();
    let begin = || StatementSpan::begin(shared, Subject::of(stmt));
    let mut span = begin();
    let entered = span.entrance().run(std::future::ready(()));
    futures_util::FutureExt::now_or_never(entered).unwrap();
    span.connected(std::time::Duration::ZERO);
    span.gave(Some(1));
    span.succeeded();
    let mut span = begin();
    span.failed(err);
    drop(begin());
    drop(StatementSpan::begin(shared, Subject::Call("BEGIN")));
}

fn allocations(db: &RoutedConnection) -> u64 {
    let sql = "SELECT id FROM note WHERE text = ?";
    let stmt = Statement::from_sql_and_values(DbBackend::Sqlite, sql, ["x".into()]);
    let err = DbErr::Custom("no".to_owned());
    // The first time registers what a subscriber could want.
    spans(db, &stmt, &err);
    allocation_counter::measure(|| spans(db, &stmt, &err)).count_total
}

#[tokio::test]
async fn nothing_is_allocated_without_a_subscriber() {
    let db = RoutedConnection::builder().primary("sqlite::memory:");
    let db = db.connect().await.unwrap();
    assert_eq!(allocations(&db), 0);
    // Also where the subscriber wants something else.
    let deaf = tracing_subscriber::registry();
    let deaf = tracing_subscriber::layer::SubscriberExt::with(
        deaf,
        tracing_subscriber::filter::LevelFilter::WARN,
    );
    tracing::subscriber::with_default(deaf, || assert_eq!(allocations(&db), 0));
    // And where it wants spans, but not these.
    let others =
        tracing_subscriber::filter::Targets::new().with_target("shop", tracing::Level::INFO);
    let others =
        tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), others);
    tracing::subscriber::with_default(others, || assert_eq!(allocations(&db), 0));
    // The counter counts: somebody who listens is told something.
    let listens = tracing_subscriber::registry();
    let told = tracing::subscriber::with_default(listens, || allocations(&db));
    assert!(told > 0);
}
