//! The packer: a background job that sees the order which it is about.
//!
//! The queue is a channel here, and a broker elsewhere. What a job carries is the same: the order's number, and the bookmark of
//! the request that wrote it.

use std::time::Duration;

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use sealane::{OnStale, RoutedConnection};
use tokio::sync::{mpsc, watch};

use crate::{diary, schema::order};

/// How often an order is tried, and what is waited between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// An order to pack.
#[derive(Debug)]
pub struct Job {
    pub id: i32,
    /// What the job has to see, as text. Without one it reads on the primary.
    pub bookmark: Option<String>,
}

/// Packs until the last sender is gone and nothing is left.
pub async fn work(
    db: RoutedConnection,
    mut jobs: mpsc::Receiver<Job>,
    changes: watch::Sender<u64>,
) {
    match unpacked(&db).await {
        Ok(left) => {
            for id in left {
                pack(&db, Job { id, bookmark: None }, &changes).await;
            }
        }
        Err(err) => tracing::warn!("what an earlier process left is not packed: {err}"),
    }
    while let Some(job) = jobs.recv().await {
        pack(&db, job, &changes).await;
    }
}

/// What an earlier process had no time for.
async fn unpacked(db: &RoutedConnection) -> Result<Vec<i32>, DbErr> {
    let left = order::Entity::find()
        .filter(order::Column::Packed.is_null())
        .order_by_asc(order::Column::Id);
    let left = left.all(&db.primary()).await?;
    Ok(left.into_iter().map(|order| order.id).collect())
}

async fn pack(db: &RoutedConnection, job: Job, changes: &watch::Sender<u64>) {
    let session = job.bookmark.as_deref().map(str::parse);
    let session = match session {
        // Nobody waits for a job, so it can wait for a replica.
        Some(Ok(bookmark)) => db.session_from(&bookmark).with_on_stale(OnStale::Wait),
        Some(Err(_)) | None => db.primary(),
    };
    for attempt in 1..=ATTEMPTS {
        match pack_once(&session, job.id).await {
            Ok(()) => {
                changes.send_modify(|count| *count += 1);
                return;
            }
            // To pack twice does no harm, so it is tried again whatever the outcome was.
            Err(err) if attempt < ATTEMPTS => {
                tracing::warn!("order {} is packed later: {err}", job.id);
                tokio::time::sleep(PAUSE).await;
            }
            Err(err) => tracing::error!("order {} is packed after the next start: {err}", job.id),
        }
    }
}

async fn pack_once(session: &RoutedConnection, id: i32) -> Result<(), DbErr> {
    let (order, decisions) =
        diary::noted("packer", order::Entity::find_by_id(id).one(session)).await;
    if order?.is_none() {
        // What the bookmark is there to prevent, but for what a failover has lost.
        return Err(DbErr::RecordNotFound(format!("order {id}")));
    }
    let read_at = decisions
        .last()
        .map(ToString::to_string)
        .unwrap_or_default();
    let packed = order::Entity::update_many()
        .col_expr(order::Column::Packed, read_at.into())
        .filter(order::Column::Id.eq(id))
        .filter(order::Column::Packed.is_null());
    diary::noted("packer", packed.exec(session)).await.0?;
    Ok(())
}
