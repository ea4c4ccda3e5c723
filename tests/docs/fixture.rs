//! Files, ports, statements, and waiting for what must come.

use std::time::{Duration, Instant};

use sea_orm::Statement;
use sealane::RoutedConnection;

/// A port on which nobody listens: it was free a moment ago, and it is not handed out again soon.
pub fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

pub fn sql(db: &RoutedConnection, text: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}

/// Waits until the condition holds; it is never assumed to hold by then.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
