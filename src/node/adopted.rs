//! A connection that the application made.

#[cfg(all(feature = "testing", feature = "postgres"))]
use std::sync::Arc;

use sea_orm::DatabaseConnection;

#[cfg(all(feature = "testing", feature = "postgres"))]
use super::fence::Fence;

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
