//! A connection that the application made.

use sea_orm::{DatabaseConnection, DbErr, Statement};

#[cfg(all(feature = "testing", feature = "postgres"))]
use std::sync::Arc;

#[cfg(all(feature = "testing", feature = "postgres"))]
use super::fence::Fence;
#[cfg(feature = "stream")]
use super::link::Streamed;
use super::run::PlainCall;

/// A connection that the application made: its pool, a mock, a proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adopted {
    pub(crate) connection: DatabaseConnection,
    /// What stands around each of its statements in a test.
    #[cfg(all(feature = "testing", feature = "postgres"))]
    pub(crate) fence: Option<Arc<Fence>>,
}

impl From<DatabaseConnection> for Adopted {
    fn from(connection: DatabaseConnection) -> Self {
        Self {
            connection,
            #[cfg(all(feature = "testing", feature = "postgres"))]
            fence: None,
        }
    }
}

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
    pub(super) async fn stream(self, stmt: Statement) -> Result<Streamed, DbErr> {
        #[cfg(all(feature = "testing", feature = "postgres"))]
        if self.fence.is_some() {
            // An error is the first row: what has run is not sent elsewhere.
            let rows = match Box::pin(self.run(&super::run::QueryAll, &stmt)).await {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(err) => vec![Err(err)],
            };
            return Ok(Streamed::Right(futures_util::stream::iter(rows)));
        }
        let rows = sea_orm::StreamTrait::stream_raw(&self.connection, stmt).await?;
        Ok(Streamed::Left(rows))
    }
}
