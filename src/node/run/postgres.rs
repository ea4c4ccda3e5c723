//! Statements on a PostgreSQL connection.

super::runner!(sea_orm::sqlx::Postgres);

/// The statement's rows, one after the other.
#[cfg(feature = "stream")]
pub(in crate::node) fn rows<'c>(
    conn: &'c mut Connection,
    stmt: &Statement,
) -> futures_util::stream::BoxStream<'c, Result<sqlx::postgres::PgRow, sqlx::Error>> {
    let values = stmt.values.clone().unwrap_or(Values(Vec::new()));
    conn.fetch(sqlx::query_with(
        AssertSqlSafe(stmt.sql.clone()),
        SqlxValues(values),
    ))
}
