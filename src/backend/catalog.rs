//! Reads the server's catalog, in the rows that the pure part of it takes (rule I5).

#[cfg(feature = "postgres")]
use sea_orm::sqlx;
use sea_orm::{ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::{
    config::Config,
    intent::{
        Settings,
        catalog::{
            Catalog, build, queries,
            rows::{CatalogRows, FunctionRow, RelationRow, SettingRow, TypeRow, UseRow},
        },
    },
    node::Node,
};
#[cfg(feature = "postgres")]
use crate::{
    error::DbErrKind,
    node::{NodePool, PooledConnection, asking},
};

/// What a reading of the catalog told.
pub(crate) struct CatalogRead {
    backend: DbBackend,
    rows: CatalogRows,
}

impl CatalogRead {
    /// The catalog, for texts that are judged by these settings.
    pub(crate) fn catalog(&self, settings: &Settings) -> Catalog {
        build(self.backend, &self.rows, settings)
    }
}

/// Which settings a catalog is read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatalogParts {
    /// All that every text needs.
    Usual,
    /// Also which settings views and policies read: one more round trip.
    WithSettings,
}

/// Asks this node's catalog: four round trips on PostgreSQL, one on MariaDB and MySQL. With a configuration it is asked
/// on a connection of its own, where it can be reached beside its pool: the application's are not in the way of it, nor
/// it in theirs.
#[cfg_attr(
    not(feature = "postgres"),
    expect(unused_variables, reason = "only PostgreSQL is asked beside the pool")
)]
pub(crate) async fn read_catalog(
    node: &Node,
    apart: Option<&Config>,
    parts: CatalogParts,
) -> Result<CatalogRead, DbErr> {
    // SeaORM's panics for a connection that is not there, and a pool may be opened only later.
    let backend = match (&node.direct, node.link.is_there()) {
        (Some(direct), _) => direct.url.backend(),
        (None, true) => ConnectionTrait::get_database_backend(node.link.connection()),
        (None, false) => {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        }
    };
    #[cfg(feature = "postgres")]
    if let (DbBackend::Postgres, Some(config), Some(direct)) = (backend, apart, &node.direct) {
        let mut own = super::postgres::open_plain(config, direct, "sealane-catalog").await?;
        let rows = ask_own(&mut own, parts).await?;
        // The server ends it either way.
        let _ = sqlx::Connection::close(own).await;
        return Ok(CatalogRead { backend, rows });
    }
    let _opaque = node.replayed.opaque();
    #[cfg(feature = "postgres")]
    if let NodePool::Postgres(..) = &*node.link
        && let PooledConnection::Postgres(mut one, _) = node.acquire(None).await?
    {
        // All on one connection: what was given back is in the pool a moment later only, and each question that came
        // meanwhile opened another one.
        let rows = ask_own(&mut one, parts).await;
        if node.link.guide().is_some_and(|guide| !guide.is_hooked()) {
            // Nobody has asked whose server it leads to, and whoever finds it in the pool would not (rule C4).
            drop(one.detach());
        }
        let rows = rows?;
        return Ok(CatalogRead { backend, rows });
    }
    let rows = if backend == DbBackend::MySql {
        let mut relations = ask(node, queries::MYSQL_RELATIONS, mysql_relation).await?;
        for (id, relation) in (1..).zip(&mut relations) {
            relation.id = id;
        }
        CatalogRows {
            relations,
            ..CatalogRows::default()
        }
    } else {
        CatalogRows {
            functions: ask(node, queries::FUNCTIONS, function).await?,
            relations: ask(node, queries::RELATIONS, relation).await?,
            types: ask(node, queries::TYPES, named_type).await?,
            uses: ask(node, queries::USES, used).await?,
            settings: match parts {
                CatalogParts::Usual => Vec::new(),
                CatalogParts::WithSettings => ask(node, queries::SETTINGS, setting).await?,
            },
        }
    };
    Ok(CatalogRead { backend, rows })
}

#[cfg(feature = "postgres")]
async fn ask_own(own: &mut sqlx::PgConnection, parts: CatalogParts) -> Result<CatalogRows, DbErr> {
    Ok(CatalogRows {
        functions: ask_on(own, queries::FUNCTIONS, function).await?,
        relations: ask_on(own, queries::RELATIONS, relation).await?,
        types: ask_on(own, queries::TYPES, named_type).await?,
        uses: ask_on(own, queries::USES, used).await?,
        settings: match parts {
            CatalogParts::Usual => Vec::new(),
            CatalogParts::WithSettings => ask_on(own, queries::SETTINGS, setting).await?,
        },
    })
}

#[cfg(feature = "postgres")]
async fn ask_on<T>(
    own: &mut sqlx::PgConnection,
    sql: &'static str,
    read: fn(&QueryResult) -> Result<T, DbErr>,
) -> Result<Vec<T>, DbErr> {
    let rows = asking::rows(own, sql).await;
    let rows = rows.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
    rows.into_iter()
        .map(|row| read(&QueryResult::from(row)))
        .collect()
}

async fn ask<T>(
    node: &Node,
    sql: &str,
    read: fn(&QueryResult) -> Result<T, DbErr>,
) -> Result<Vec<T>, DbErr> {
    let _waits = node.wait_for_pool();
    let db = node.link.connection();
    let stmt = Statement::from_string(ConnectionTrait::get_database_backend(db), sql);
    db.query_all_raw(stmt).await?.iter().map(read).collect()
}

fn function(row: &QueryResult) -> Result<FunctionRow, DbErr> {
    Ok(FunctionRow {
        id: row.try_get("", "id")?,
        schema: row.try_get("", "schema")?,
        name: row.try_get("", "name")?,
        kind: row.try_get("", "kind")?,
        volatile: row.try_get("", "volatile")?,
        language: row.try_get("", "language")?,
        body: row.try_get("", "body")?,
        extension: row.try_get("", "extension")?,
        configured: row.try_get("", "configured")?,
        attribute: row.try_get("", "attribute")?,
    })
}

fn relation(row: &QueryResult) -> Result<RelationRow, DbErr> {
    Ok(RelationRow {
        id: row.try_get("", "id")?,
        schema: row.try_get("", "schema")?,
        name: row.try_get("", "name")?,
        kind: row.try_get("", "kind")?,
        persistence: row.try_get("", "persistence")?,
        locks: row.try_get("", "locks")?,
        wrapper: row.try_get("", "wrapper")?,
        definition: String::new(),
    })
}

fn mysql_relation(row: &QueryResult) -> Result<RelationRow, DbErr> {
    Ok(RelationRow {
        schema: row.try_get("", "schema")?,
        name: row.try_get("", "name")?,
        kind: row.try_get("", "kind")?,
        definition: row.try_get("", "definition")?,
        ..RelationRow::default()
    })
}

fn named_type(row: &QueryResult) -> Result<TypeRow, DbErr> {
    Ok(TypeRow {
        id: row.try_get("", "id")?,
        schema: row.try_get("", "schema")?,
        name: row.try_get("", "name")?,
        open: row.try_get("", "open")?,
    })
}

fn used(row: &QueryResult) -> Result<UseRow, DbErr> {
    Ok(UseRow {
        class: row.try_get("", "class")?,
        id: row.try_get("", "id")?,
        name: row.try_get("", "name")?,
        target: row.try_get("", "target")?,
        target_id: row.try_get("", "target_id")?,
        target_schema: row.try_get("", "target_schema")?,
        target_name: row.try_get("", "target_name")?,
        immutable: row.try_get("", "immutable")?,
        support: row.try_get("", "support")?,
        left_type: row.try_get("", "left_type")?,
        right_type: row.try_get("", "right_type")?,
    })
}

fn setting(row: &QueryResult) -> Result<SettingRow, DbErr> {
    Ok(SettingRow {
        id: row.try_get("", "id")?,
        name: row.try_get("", "name")?,
    })
}
