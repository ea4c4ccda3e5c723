//! SeaORM's `ConnectOptions` with the one method that names a connection's type.

use std::{any::type_name, borrow::Cow, cell::Cell, ops::Deref, pin::Pin, time::Duration};

use log::LevelFilter;
use sea_orm::{ConnectOptions as SeaOrm, DbErr};

use super::DatabaseConnection;

/// Stands where a `sea_orm::ConnectOptions` stood: the same setters, and [`after_connect`](Self::after_connect) gives
/// its callback the [`DatabaseConnection`] of this module. What reads it is SeaORM's, by `Deref`.
///
/// Everything of this crate that takes SeaORM's takes this as well. SeaORM's own serves too, where no callback names
/// the type.
///
/// ```
/// use sealane::drop_in::{ConnectOptions, DatabaseConnection};
///
/// let mut options = ConnectOptions::new("postgres://db-1/shop");
/// options.max_connections(20).after_connect(|db: DatabaseConnection| {
///     Box::pin(async move { db.ping().await })
/// });
/// assert_eq!(options.get_max_connections(), Some(20));
/// ```
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    inner: SeaOrm,
    /// A closure was given that may look at a pool's connections on their way.
    looks: bool,
}

thread_local! {
    /// Whether the options that were converted last on this thread have such a closure.
    static LOOKS: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Setters of SeaORM's, with its parameters.
macro_rules! setters {
    ($($(#[$meta:meta])* $name:ident $(<$generic:ident: $bound:ty>)? ($($arg:ident: $type:ty),+);)+) => {
        $(
            $(#[$meta])*
            pub fn $name $(<$generic: Into<$bound>>)? (&mut self, $($arg: $type),+) -> &mut Self {
                self.inner.$name($($arg),+);
                self
            }
        )+
    };
}

impl ConnectOptions {
    /// Options for this URL, with everything else at SeaORM's defaults.
    #[must_use]
    pub fn new<T: Into<String>>(url: T) -> Self {
        Self {
            inner: SeaOrm::new(url),
            looks: false,
        }
    }

    setters! {
        /// The most connections of a pool; 10, and 1 on SQLite.
        max_connections(value: u32);
        /// How many connections a pool keeps.
        min_connections(value: u32);
        /// SeaORM's other name of [`acquire_timeout`](Self::acquire_timeout).
        connect_timeout(value: Duration);
        /// How long a connection may be idle before it is closed; `None` for ever.
        idle_timeout<T: Option<Duration>>(value: T);
        /// How long a statement waits for a connection.
        acquire_timeout(value: Duration);
        /// How old a connection may become; `None` for ever.
        max_lifetime<T: Option<Duration>>(lifetime: T);
        /// Whether sqlx logs statements; on.
        sqlx_logging(value: bool);
        /// Whether spans record the text of statements; on.
        record_stmt_in_spans(value: bool);
        /// The level at which sqlx logs statements; `Info`.
        sqlx_logging_level(level: LevelFilter);
        /// The level at which sqlx logs slow statements, and from when on they are slow; off.
        sqlx_slow_statements_logging_settings(level: LevelFilter, duration: Duration);
        /// The key of a SQLCipher database.
        sqlcipher_key<T: Cow<'static, str>>(value: T);
        /// PostgreSQL's `search_path`.
        set_schema_search_path<T: String>(path: T);
        /// PostgreSQL's `application_name`.
        set_application_name<T: String>(name: T);
        /// PostgreSQL's `statement_timeout`.
        statement_timeout(value: Duration);
        /// Whether a connection is pinged each time before it is used; on.
        test_before_acquire(value: bool);
        /// Pings only a connection that has been idle for so long.
        test_before_acquire_if_idle_for(idle: Duration);
        /// Whether connections are made when they are needed, and not before; off.
        connect_lazy(value: bool);
    }

    /// Calls this once for each pool that is opened, with a handle that leads to this pool alone: on a replica's, the
    /// replica is its primary. An error is the error of opening the pool.
    pub fn after_connect<F>(&mut self, call: F) -> &mut Self
    where
        F: Fn(
                DatabaseConnection,
            ) -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'static>>
            + Send
            + Sync
            + 'static,
    {
        self.inner
            .after_connect(move |connection| call(DatabaseConnection::of_one_pool(connection)));
        self
    }
}

/// The driver's own options, of one backend.
macro_rules! driver {
    ($feature:literal, $opts:ident, $pool_opts:ident, $before_acquire:ident, $db:ty, $options:ty, $connection:ty) => {
        #[cfg(feature = $feature)]
        impl ConnectOptions {
            /// Changes the driver's options of a connection.
            pub fn $opts<F>(&mut self, change: F) -> &mut Self
            where
                F: Fn($options) -> $options + Send + Sync + 'static,
            {
                self.inner.$opts(change);
                self
            }

            /// Changes the driver's options of a pool.
            pub fn $pool_opts<F>(&mut self, change: F) -> &mut Self
            where
                F: Fn(
                        sea_orm::sqlx::pool::PoolOptions<$db>,
                    ) -> sea_orm::sqlx::pool::PoolOptions<$db>
                    + Send
                    + Sync
                    + 'static,
            {
                self.looks = true;
                self.inner.$pool_opts(change);
                self
            }

            /// Asks this of an idle connection before it is used; `Ok(false)` or an error throws it away.
            pub fn $before_acquire<F>(&mut self, ask: F) -> &mut Self
            where
                F: for<'c> Fn(
                        &'c mut $connection,
                        sea_orm::sqlx::pool::PoolConnectionMetadata,
                    ) -> Pin<
                        Box<dyn Future<Output = Result<bool, sea_orm::sqlx::Error>> + Send + 'c>,
                    > + Send
                    + Sync
                    + 'static,
            {
                self.looks = true;
                self.inner.$before_acquire(ask);
                self
            }
        }
    };
}

driver! {
    "postgres", map_sqlx_postgres_opts, map_sqlx_postgres_pool_opts, map_sqlx_postgres_before_acquire,
    sea_orm::sqlx::Postgres, sea_orm::sqlx::postgres::PgConnectOptions, sea_orm::sqlx::postgres::PgConnection
}
driver! {
    "mysql", map_sqlx_mysql_opts, map_sqlx_mysql_pool_opts, map_sqlx_mysql_before_acquire,
    sea_orm::sqlx::MySql, sea_orm::sqlx::mysql::MySqlConnectOptions, sea_orm::sqlx::mysql::MySqlConnection
}
driver! {
    "sqlite", map_sqlx_sqlite_opts, map_sqlx_sqlite_pool_opts, map_sqlx_sqlite_before_acquire,
    sea_orm::sqlx::Sqlite, sea_orm::sqlx::sqlite::SqliteConnectOptions, sea_orm::sqlx::sqlite::SqliteConnection
}

impl Deref for ConnectOptions {
    type Target = SeaOrm;

    fn deref(&self) -> &SeaOrm {
        &self.inner
    }
}

impl<T: Into<String>> From<T> for ConnectOptions {
    fn from(url: T) -> Self {
        Self::new(url)
    }
}

impl From<ConnectOptions> for SeaOrm {
    fn from(options: ConnectOptions) -> Self {
        LOOKS.set(Some(options.looks));
        options.inner
    }
}

/// SeaORM's options of these, and whether they surely have no closure that looks at a pool's connections on their way.
///
/// Nobody can look into SeaORM's own. A URL has none, and these options know what they were given. Another type with a
/// conversion of its own may do anything in there, so only the types themselves count, by the names that the compiler
/// gives them.
pub(super) fn converted<C: Into<SeaOrm>>(options: C) -> (SeaOrm, bool) {
    let urls = [
        type_name::<&str>(),
        type_name::<String>(),
        type_name::<&String>(),
    ];
    let of = type_name::<C>();
    LOOKS.set(None);
    let options = options.into();
    let plain = match of == type_name::<ConnectOptions>() {
        true => LOOKS.take() == Some(false),
        false => urls.contains(&of),
    };
    (options, plain)
}

#[cfg(test)]
mod tests {
    use super::{ConnectOptions, SeaOrm, converted};

    const URL: &str = "postgres://db-1/shop";

    fn is_plain<C: Into<SeaOrm>>(options: C) -> bool {
        converted(options).1
    }

    /// Options of a type that makes SeaORM's by itself, out of ours.
    struct Foreign(ConnectOptions);

    impl From<Foreign> for SeaOrm {
        fn from(own: Foreign) -> Self {
            own.0.into()
        }
    }

    #[test]
    fn only_what_surely_has_no_closure_over_a_pool_is_plain() {
        assert!(is_plain(URL));
        assert!(is_plain(URL.to_owned()));
        let owned = URL.to_owned();
        assert!(is_plain(&owned));
        assert!(is_plain(ConnectOptions::new(URL)));
        assert!(!is_plain(SeaOrm::new(URL)));
        assert!(!is_plain(Foreign(ConnectOptions::new(URL))));
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_closure_over_a_pool_or_its_connections_is_remembered() {
        let mut pool = ConnectOptions::new(URL);
        pool.map_sqlx_postgres_pool_opts(|options| options);
        assert!(!is_plain(pool.clone()));
        let mut acquire = ConnectOptions::new(URL);
        acquire.map_sqlx_postgres_before_acquire(|_, _| Box::pin(async { Ok(true) }));
        assert!(!is_plain(acquire));
        let mut connect = ConnectOptions::new(URL);
        connect.map_sqlx_postgres_opts(|options| options);
        assert!(is_plain(connect));
    }
}
