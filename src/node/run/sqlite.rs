//! Statements on a SQLite connection.

super::runner!(sea_orm::sqlx::Sqlite);
