//! Statements on a connection that the application made.

use sea_orm::{DbErr, Statement};

use super::PlainCall;
use crate::node::adopted::Adopted;
#[cfg(feature = "stream")]
use crate::node::link::Streamed;

impl Adopted {
    /// Runs a statement by SeaORM's own method.
    pub(super) async fn run<C: PlainCall>(
        &self,
        call: &C,
        stmt: &Statement,
    ) -> Result<C::Output, DbErr> {
        #[cfg(all(feature = "testing", feature = "postgres"))]
        if let Some(fence) = &self.fence {
            // Boxed: the future of everybody else's statements does not grow.
            return Box::pin(fence.run(&self.connection, call, stmt)).await;
        }
        call.run_seaorm(&self.connection, stmt).await
    }

    /// Runs a statement as a stream.
    #[cfg(feature = "stream")]
    pub(in crate::node) async fn stream(self, stmt: Statement) -> Result<Streamed, DbErr> {
        #[cfg(all(feature = "testing", feature = "postgres"))]
        if self.fence.is_some() {
            // An error is the first row: what has run is not sent elsewhere.
            let rows = match Box::pin(self.run(&super::QueryAll, &stmt)).await {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(err) => vec![Err(err)],
            };
            return Ok(Streamed::Right(futures_util::stream::iter(rows)));
        }
        let rows = sea_orm::StreamTrait::stream_raw(&self.connection, stmt).await?;
        Ok(Streamed::Left(rows))
    }
}
