//! Statements on a PostgreSQL connection.

super::runner!(sea_orm::sqlx::Postgres);
