//! A node is given as many statements at a time as it answers soonest; the others wait for their turn (rule R7).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
use sealane::{RoutedConnection, StatementLimit};
use sealane_harness::Cluster;
use tokio::task::JoinSet;

use crate::{heard::counter, place::until};

/// More callers than the pool has connections.
const CALLERS: usize = 12;
const POOL: u32 = 4;

/// More than are measured before another limit is tried, which are 512.
const MANY: u64 = 640;

async fn connect(cluster: &Cluster, limit: StatementLimit) -> RoutedConnection {
    RoutedConnection::builder()
        .primary(cluster.primary().url())
        .max_connections(POOL)
        .statement_limit(limit)
        .connect()
        .await
        .unwrap()
}

async fn limit(db: &RoutedConnection) -> u64 {
    counter(db, "sealane_statement_limit").await
}

/// Callers that ask again at once, until they are dropped.
struct Callers {
    answered: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Callers {
    fn begin<F>(db: &RoutedConnection, callers: usize, ask: fn(RoutedConnection) -> F) -> Self
    where
        F: Future<Output = Result<(), DbErr>> + Send + 'static,
    {
        let (answered, mut tasks) = (Arc::<AtomicU64>::default(), JoinSet::new());
        for _ in 0..callers {
            let (db, answered) = (db.clone(), Arc::clone(&answered));
            tasks.spawn(async move {
                loop {
                    ask(db.clone()).await.unwrap();
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        Self {
            answered,
            _tasks: tasks,
        }
    }

    /// Whether the limit was another one than the pool's size while so many were answered.
    async fn is_limited(&self, db: &RoutedConnection) -> bool {
        let seen = AtomicBool::new(false);
        until("an answer to many", async || {
            seen.fetch_or(limit(db).await != u64::from(POOL), Relaxed);
            seen.load(Relaxed) || self.answered.load(Relaxed) >= MANY
        })
        .await;
        seen.into_inner()
    }
}

async fn select(db: RoutedConnection) -> Result<(), DbErr> {
    db.execute_unprepared("SELECT 1").await.map(drop)
}

async fn transaction(db: RoutedConnection) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    txn.execute_unprepared("SELECT 1").await?;
    txn.commit().await
}

#[tokio::test]
async fn where_statements_wait_other_limits_than_the_pools_size_are_tried() {
    let cluster = Cluster::builder().start().unwrap();
    let db = connect(&cluster, StatementLimit::Adaptive).await;
    assert_eq!(limit(&db).await, u64::from(POOL), "before anybody waits");
    let callers = Callers::begin(&db, CALLERS, select);
    until("a lower limit", async || limit(&db).await < u64::from(POOL)).await;
    drop(callers);
}

#[tokio::test]
async fn without_a_limit_the_pools_size_is_the_only_bound() {
    let cluster = Cluster::builder().start().unwrap();
    let db = connect(&cluster, StatementLimit::Off).await;
    assert!(!Callers::begin(&db, CALLERS, select).is_limited(&db).await);
}

#[tokio::test]
async fn transactions_need_no_turn() {
    let cluster = Cluster::builder().start().unwrap();
    let db = connect(&cluster, StatementLimit::Adaptive).await;
    // One waits for a place all the time, and the others are quick.
    let _transactions = Callers::begin(&db, POOL as usize + 1, transaction);
    // One statement after the other waits for no turn, and would be measured if anybody did.
    let one = Callers::begin(&db, 1, select);
    assert!(!one.is_limited(&db).await);
}
