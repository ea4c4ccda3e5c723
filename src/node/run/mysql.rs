//! Statements on a MariaDB and MySQL connection.

super::runner!(sea_orm::sqlx::MySql);
