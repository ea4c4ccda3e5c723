//! Logins with tokens that live for a moment, as RDS IAM, Cloud SQL IAM and Entra have them: who makes them is asked before
//! they end.
//!
//! ```sh
//! DATABASE_URL=postgres://app@localhost/app cargo run --example cloud_token --features postgres
//! ```
//!
//! In the place of a cloud stands a command that prints a token, `TOKEN_COMMAND`, with host, port and user behind it:
//! `aws rds generate-db-auth-token --hostname`, for one, in a script of three lines. By a cloud's crate it is the same
//! function with another body. Without the variable the token is `PGPASSWORD`.

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error, time::Duration};

use sea_orm::ConnectionTrait;
use sealane::{Credentials, CredentialsRequest, RoutedConnection};

/// What a token of RDS is good for.
const VALID: Duration = Duration::from_secs(15 * 60);

async fn token(request: CredentialsRequest) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
    let Ok(command) = std::env::var("TOKEN_COMMAND") else {
        return Ok(Credentials::password(
            std::env::var("PGPASSWORD").unwrap_or_default(),
        ));
    };
    let made = tokio::process::Command::new(command)
        .arg(request.host.unwrap_or_else(|| "localhost".to_owned()))
        .arg(request.port.unwrap_or(5432).to_string())
        .arg(request.user.unwrap_or_default())
        .output()
        .await?;
    if !made.status.success() {
        // Its output may be half a token: say that it failed, and no more.
        return Err(format!("the command ended with {}", made.status).into());
    }
    let token = String::from_utf8(made.stdout)?;
    Ok(Credentials::password(token.trim_end()).valid_for(VALID))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let db = RoutedConnection::builder()
        .primary(std::env::var("DATABASE_URL")?)
        .credentials(token)
        .connect()
        .await?;
    db.execute_unprepared("SELECT 1").await?;
    println!("{}", db.cluster().topology());
    Ok(())
}
