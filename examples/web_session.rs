//! A web application whose clients see what they wrote, in whichever process their next request lands.
//!
//! ```sh
//! # A SQLite file as a cluster; with DATABASE_URL and DATABASE_REPLICA_URLS, those servers.
//! cargo run --example web_session --features tower
//!
//! curl -i -c jar -b jar -X POST http://127.0.0.1:8080/notes -d 'buy milk'
//! curl -i -c jar -b jar http://127.0.0.1:8080/notes
//! ```
//!
//! Start it twice with different ports (`PORT=8081`) on the same PostgreSQL servers and send the POST to one and the GET
//! to the other: with the cookie the note is there, however far the replicas are behind.
#![allow(clippy::print_stdout, reason = "an example is there to print")]

use axum::{Router, extract::State, http::StatusCode, routing::get};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use sealane::{RoutedConnection, middleware::SessionLayer};

type Failed = (StatusCode, String);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The file lives as long as this does.
    let folder = tempfile::tempdir()?;
    let db = if std::env::var_os("DATABASE_URL").is_some() {
        RoutedConnection::from_env().await?
    } else {
        let file = folder.path().join("notes.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        RoutedConnection::builder().primary(url).connect().await?
    };
    db.execute_unprepared("CREATE TABLE IF NOT EXISTS note (text varchar(200) NOT NULL)")
        .await?;

    let app = Router::new()
        .route("/notes", get(list).post(add))
        // Without TLS here; leave `insecure()` out behind HTTPS.
        .layer(SessionLayer::new(db.clone()).insecure())
        .with_state(db);
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}/notes", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// The plain handle: inside the layer it reads in the client's session.
async fn list(State(db): State<RoutedConnection>) -> Result<String, Failed> {
    let stmt = Statement::from_string(db.get_database_backend(), "SELECT text FROM note");
    let rows = db.query_all_raw(stmt).await.map_err(failed)?;
    let notes: Result<Vec<String>, DbErr> =
        rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(notes.map_err(failed)?.join("\n"))
}

async fn add(State(db): State<RoutedConnection>, text: String) -> Result<StatusCode, Failed> {
    let backend = db.get_database_backend();
    let insert = match backend {
        sea_orm::DbBackend::Postgres => "INSERT INTO note VALUES ($1)",
        _ => "INSERT INTO note VALUES (?)",
    };
    let stmt = Statement::from_sql_and_values(backend, insert, [text.into()]);
    db.execute_raw(stmt).await.map_err(failed)?;
    Ok(StatusCode::CREATED)
}

fn failed(err: DbErr) -> Failed {
    (StatusCode::INTERNAL_SERVER_ERROR, err.to_string())
}
