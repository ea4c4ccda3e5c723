//! The one handle: it stands where a `sea_orm::DatabaseConnection` stood.
//!
//! It is an `Arc` and a few words of scope, so every narrowing (`primary()`, `replica()`, `in_zone()`) returns another
//! one of the same type, and a function that takes `&DatabaseConnection` under the drop-in alias takes them all.

mod again;
mod concrete;
mod inherent;
mod local;
mod narrowing;
pub(crate) mod pause;
mod query;
mod session;
#[cfg(feature = "stream")]
mod stream;
pub(crate) mod transaction;

use std::{fmt, sync::Arc};

use sea_orm::{DatabaseConnection, DbBackend};

pub use self::again::RetryPolicy;
pub use self::session::scope;
#[cfg(feature = "stream")]
pub use self::stream::RoutedStream;
use crate::{
    cluster::{Cluster, shared::Shared, start},
    config::{Builder, Config},
    dispatch::Overrides,
    error::Error,
    node::Callback,
};

/// A handle to a cluster: one primary and a weighted pool of replicas, as one SeaORM connection.
///
/// Every statement is routed by its intent and by transaction state: what is proven to be a read goes to a replica,
/// everything else to the primary. Clones share everything. `Default` is a handle that was never connected.
///
/// ```no_run
/// use sea_orm::EntityTrait;
/// # mod user {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "user")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub name: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// // DATABASE_URL and DATABASE_REPLICA_URLS name the servers.
/// let db = sealane::RoutedConnection::from_env().await?;
/// let users = user::Entity::find().all(&db).await?; // a replica
/// let first = user::Entity::find_by_id(1).one(&db.primary()).await?; // the primary
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct RoutedConnection {
    shared: Option<Arc<Shared>>,
    overrides: Overrides,
    callback: Option<Callback>,
}

// Handing a handle around must cost what handing SeaORM's around costs.
const _: () = assert!(size_of::<RoutedConnection>() <= 64);

impl RoutedConnection {
    /// Connects as the environment says; see [`Config::from_env`].
    ///
    /// # Errors
    /// Every problem of the configuration at once, or what the primary says.
    pub async fn from_env() -> Result<Self, Error> {
        Self::connect(Config::from_env()?).await
    }

    /// Connects as the configuration says. The effective configuration is logged once, with its secrets masked.
    ///
    /// # Errors
    /// [`Error::Start`] when the primary cannot be reached, [`Error::PrimaryInRecovery`] when it is a standby,
    /// [`Error::CannotStart`] when which node is the primary cannot be told.
    /// Replicas may be down: they are probed in the background and used once they answer.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        // Many kilobytes, and once in a program.
        Ok(Self::of(Box::pin(start::connect(config)).await?))
    }

    /// A builder with every knob; [`Builder::connect`] ends it.
    pub fn builder() -> Builder {
        Config::builder()
    }

    /// One primary and its replicas from connections that the application made: its own pools, mocks, proxies.
    ///
    /// Sizes, time-outs and read-only defaults are as the application made them; without such a default, that no write
    /// reaches a replica rests on the classifier and on the servers alone. The same pool may stand in both roles.
    ///
    /// How far such a replica is nobody can tell, so what wrote reads on the primary from then on: without sessions, that is
    /// the whole process. A handle with [`with_consistency`](Self::with_consistency) `Eventual` goes on reading there.
    ///
    /// ```
    /// # #[cfg(feature = "mock")] fn f() {
    /// use sea_orm::{DbBackend, MockDatabase};
    /// let mock = || MockDatabase::new(DbBackend::Postgres).into_connection();
    /// let db = sealane::RoutedConnection::from_connections(mock(), [mock(), mock()]);
    /// # }
    /// ```
    ///
    /// # Panics
    /// On connections of different backends, or on a disconnected one; [`try_from_connections`](Self::try_from_connections)
    /// says so instead.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "documented: in a test the panic is what one wants, and there is a form that returns the error"
    )]
    pub fn from_connections(
        primary: DatabaseConnection,
        replicas: impl IntoIterator<Item = DatabaseConnection>,
    ) -> Self {
        match Self::try_from_connections(primary, replicas) {
            Ok(db) => db,
            Err(err) => panic!("{err}"),
        }
    }

    /// [`from_connections`](Self::from_connections), where the connections come from somewhere else.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when one of them leads nowhere, [`Error::Topology`] when they are of different backends.
    pub fn try_from_connections(
        primary: DatabaseConnection,
        replicas: impl IntoIterator<Item = DatabaseConnection>,
    ) -> Result<Self, Error> {
        start::adopt(primary, replicas.into_iter().collect()).map(Self::of)
    }

    /// One pool of a cluster by itself, for a callback of the application's that is told of it.
    pub(crate) fn of_one_pool(connection: DatabaseConnection) -> Self {
        // A pool that was just opened leads somewhere.
        start::alone(connection).map_or_else(
            |err| {
                tracing::error!("the callback gets a handle that is not connected, because none could be made: {err}");
                Self::default()
            },
            Self::of,
        )
    }

    /// The topology behind this handle.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        Cluster::of(self.shared.clone())
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self {
            shared: Some(shared),
            overrides: Overrides::default(),
            callback: None,
        }
    }

    pub(crate) fn shared(&self) -> Result<&Arc<Shared>, Error> {
        self.shared.as_ref().ok_or(Error::Disconnected)
    }

    /// What the handle asks for beyond what its cluster is configured to.
    pub(crate) fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// The backend, which SeaORM's traits give without a way to fail.
    #[expect(
        clippy::panic,
        reason = "SeaORM's own connection panics with this word, and the trait cannot fail"
    )]
    pub(crate) fn backend(&self) -> DbBackend {
        match &self.shared {
            Some(shared) => shared.backend,
            None => panic!("Disconnected"),
        }
    }
}

impl Builder {
    /// Builds the configuration and connects.
    ///
    /// # Errors
    /// As [`build`](Self::build) and [`RoutedConnection::connect`].
    pub async fn connect(self) -> Result<RoutedConnection, Error> {
        RoutedConnection::connect(self.build()?).await
    }
}

/// What SeaORM makes a connection from, and what it is then.
macro_rules! from_what_seaorm_takes {
    ($($(#[$meta:meta])* $what:ty;)+) => {
        $(
            $(#[$meta])*
            impl From<$what> for RoutedConnection {
                /// One connection and no replicas.
                fn from(what: $what) -> Self {
                    DatabaseConnection::from(what).into()
                }
            }
        )+
    };
}

from_what_seaorm_takes! {
    sea_orm::DatabaseConnectionType;
    #[cfg(feature = "postgres")]
    sea_orm::sqlx::PgPool;
    #[cfg(feature = "mysql")]
    sea_orm::sqlx::MySqlPool;
    #[cfg(feature = "sqlite")]
    sea_orm::sqlx::SqlitePool;
}

impl From<DatabaseConnection> for RoutedConnection {
    /// One connection and no replicas: everything goes where it went before.
    fn from(connection: DatabaseConnection) -> Self {
        if matches!(
            connection.inner,
            sea_orm::DatabaseConnectionType::Disconnected
        ) {
            return Self::default();
        }
        Self::from_connections(connection, [])
    }
}

impl fmt::Debug for RoutedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RoutedConnection");
        match &self.shared {
            None => debug.field("nodes", &"disconnected"),
            Some(shared) => debug.field("nodes", &shared.snapshot.describe().to_string()),
        };
        debug
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}
