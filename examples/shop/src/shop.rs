//! What the shop asks of its database. Nothing here says where a statement goes.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, SqlErr, TransactionError, sea_query::Expr,
};
use sealane::{Consistency, Error, Outcome, RetryPolicy, RoutedConnection, RoutedTransaction};
use tokio::sync::{mpsc, watch};

use crate::{
    packing::Job,
    schema::{article, order},
};

/// How many orders the page shows.
const SHOWN: u64 = 5;

/// What handlers share.
#[derive(Clone)]
pub struct Shop {
    pub db: RoutedConnection,
    pub jobs: mpsc::Sender<Job>,
    /// Counts on whenever an order changed.
    pub changes: watch::Sender<u64>,
}

/// An order with the name of its article.
pub type Line = (order::Model, Option<article::Model>);

/// Why there is no order.
#[derive(Debug, thiserror::Error)]
pub enum NoOrder {
    #[error("this article is sold out, or there is none like it")]
    SoldOut,
    #[error(
        "nobody knows yet whether the order was stored, since the connection was lost. Send it again: the same order is stored once"
    )]
    Unknown(#[source] DbErr),
    #[error(transparent)]
    Failed(#[from] DbErr),
}

impl Shop {
    pub async fn articles(&self) -> Result<Vec<article::Model>, DbErr> {
        let all = article::Entity::find().order_by_asc(article::Column::Id);
        all.all(&self.db).await
    }

    /// The newest orders. Inside a request they are read in the session of its client.
    pub async fn orders(&self) -> Result<Vec<Line>, DbErr> {
        let newest = order::Entity::find()
            .find_also_related(article::Entity)
            .order_by_desc(order::Column::Id)
            .limit(SHOWN);
        newest.all(&self.db).await
    }

    /// How many orders a read sees that need not see anybody's last write.
    pub async fn count_at_leisure(&self) -> Result<u64, DbErr> {
        let db = self.db.with_consistency(Consistency::Eventual);
        order::Entity::find().count(&db).await
    }

    /// Takes a piece from the stock and stores the order, and hands it to the packer.
    pub async fn place(&self, article: i32, key: &str) -> Result<i32, NoOrder> {
        let id = match self.store(article, key).await {
            Err(NoOrder::Unknown(lost)) => match self.find(key).await {
                // It was stored, and only its answer was lost.
                Ok(Some(id)) => id,
                // It may still be on its way.
                Ok(None) | Err(_) => return Err(NoOrder::Unknown(lost)),
            },
            Err(NoOrder::Failed(err)) if is_there_already(&err) => {
                self.find(key).await?.ok_or(NoOrder::Failed(err))?
            }
            other => other?,
        };
        self.changes.send_modify(|count| *count += 1);
        // In a request this handle has its session, so the packer will see what was written just now.
        let bookmark = match self.db.bookmark().await {
            Ok(bookmark) => Some(bookmark.to_string()),
            Err(err) => {
                tracing::warn!("the packer reads order {id} on the primary: {err}");
                None
            }
        };
        if self.jobs.try_send(Job { id, bookmark }).is_err() {
            tracing::warn!("too much to pack: order {id} is packed after the next start");
        }
        Ok(id)
    }

    async fn store(&self, article: i32, key: &str) -> Result<i32, NoOrder> {
        // Run again where nothing of it is stored, for certain, and nowhere else.
        let stored = self
            .db
            .transaction_with_retry(RetryPolicy::default(), |txn| {
                // The future outlives what this function borrows.
                let key = key.to_owned();
                Box::pin(async move { take_and_store(txn, article, &key).await })
            })
            .await;
        stored
            .map_err(|err| match err {
                TransactionError::Connection(err) => NoOrder::from(err),
                TransactionError::Transaction(why) => why,
            })
            .map_err(|why| match why {
                NoOrder::Failed(err) if is_unknown(&err) => NoOrder::Unknown(err),
                other => other,
            })
    }

    async fn find(&self, key: &str) -> Result<Option<i32>, DbErr> {
        let this = order::Entity::find().filter(order::Column::Key.eq(key));
        let found = this.one(&self.db.primary()).await?;
        Ok(found.map(|order| order.id))
    }
}

async fn take_and_store(txn: &RoutedTransaction, article: i32, key: &str) -> Result<i32, NoOrder> {
    // The order first: one that is there already is found before the stock is looked at.
    let order = order::ActiveModel {
        key: Set(key.to_owned()),
        article_id: Set(article),
        ..Default::default()
    };
    let order = match order.insert(txn).await {
        Err(err) if is_no_article(&err) => return Err(NoOrder::SoldOut),
        stored => stored?,
    };
    let taken = article::Entity::update_many()
        .col_expr(
            article::Column::Stock,
            Expr::col(article::Column::Stock).sub(1),
        )
        .filter(article::Column::Id.eq(article))
        .filter(article::Column::Stock.gt(0))
        .exec(txn)
        .await?;
    match taken.rows_affected {
        0 => Err(NoOrder::SoldOut),
        _ => Ok(order.id),
    }
}

fn is_no_article(err: &DbErr) -> bool {
    matches!(
        err.sql_err(),
        Some(SqlErr::ForeignKeyConstraintViolation(_))
    )
}

fn is_there_already(err: &DbErr) -> bool {
    matches!(err.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn is_unknown(err: &DbErr) -> bool {
    Error::from_db_err(err).is_some_and(|ours| ours.outcome() == Outcome::Unknown)
}
