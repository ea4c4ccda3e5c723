//! Questions of our own to PostgreSQL. By the simple protocol unless a connection asks again and again: one round trip, and no
//! statement is left behind on the connection.
//!
//! Everybody asks through these functions, which name no type but the connection's. sqlx's way from a question to its answer is
//! a tree of futures that is compiled again wherever it is begun: some hundred kilobytes in each application for a dozen
//! places.

use futures_util::future::BoxFuture;
use sea_orm::sqlx::{
    self, PgConnection, SqlSafeStr, SqlStr,
    postgres::{PgQueryResult, PgRow},
};

/// What comes back.
type Asked<'c, T> = BoxFuture<'c, Result<T, sqlx::Error>>;

/// The first row.
pub(crate) fn row(conn: &mut PgConnection, sql: impl SqlSafeStr) -> Asked<'_, PgRow> {
    fetch_one(conn, sql.into_sql_str())
}

/// All rows.
pub(crate) fn rows(conn: &mut PgConnection, sql: impl SqlSafeStr) -> Asked<'_, Vec<PgRow>> {
    fetch_all(conn, sql.into_sql_str())
}

/// Does something that has no rows.
pub(crate) fn done(conn: &mut PgConnection, sql: impl SqlSafeStr) -> Asked<'_, PgQueryResult> {
    execute(conn, sql.into_sql_str())
}

/// The first row, by a statement that stays prepared.
pub(crate) fn prepared_row(conn: &mut PgConnection, sql: impl SqlSafeStr) -> Asked<'_, PgRow> {
    fetch_prepared(conn, sql.into_sql_str())
}

#[inline(never)]
fn fetch_prepared(conn: &mut PgConnection, sql: SqlStr) -> Asked<'_, PgRow> {
    Box::pin(sqlx::query(sql).fetch_one(conn))
}

#[inline(never)]
fn fetch_one(conn: &mut PgConnection, sql: SqlStr) -> Asked<'_, PgRow> {
    sqlx::raw_sql(sql).fetch_one(conn)
}

#[inline(never)]
fn fetch_all(conn: &mut PgConnection, sql: SqlStr) -> Asked<'_, Vec<PgRow>> {
    sqlx::raw_sql(sql).fetch_all(conn)
}

#[inline(never)]
fn execute(conn: &mut PgConnection, sql: SqlStr) -> Asked<'_, PgQueryResult> {
    Box::pin(sqlx::raw_sql(sql).execute(conn))
}
