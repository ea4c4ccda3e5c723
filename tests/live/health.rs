//! What an orchestrator is told while a primary dies and another one takes its place.

use std::time::Duration;

use axum::Router;
use sealane::{HealthState, Mode, RoutedConnection, middleware::HealthService};
use sealane_harness::Stop;

use crate::place::{own_cluster, until};

/// Status and body of each service: readiness, the readers' readiness, liveness.
async fn asked(addr: std::net::SocketAddr) -> Vec<(u16, String)> {
    let ask = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let paths = ["readyz", "readers", "healthz"].into_iter();
        let answers = paths.map(|path| {
            let mut answer = agent.get(format!("http://{addr}/{path}")).call().unwrap();
            let body = answer.body_mut().read_to_string().unwrap();
            (answer.status().as_u16(), body)
        });
        answers.collect()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

fn answers(codes: [u16; 3], word: &str) -> Vec<(u16, String)> {
    codes.map(|code| (code, format!("{word}\n"))).to_vec()
}

async fn until_state(db: &RoutedConnection, state: HealthState) {
    until(&format!("to be {state}"), async || {
        db.cluster().health().state == state
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_the_truth_through_a_failover_and_liveness_ends_nobody() {
    let cluster = own_cluster(2);
    let named = |node: &sealane_harness::Node| format!("{}?name={}", node.url(), node.name());
    let builder = || {
        RoutedConnection::builder()
            .primary(named(cluster.primary()))
            .replicas(cluster.standbys().iter().map(named))
            .check_interval(Duration::from_millis(50))
            .max_lag(None)
    };
    let db = builder().connect().await.unwrap();
    // Its reads wait for a primary as well.
    let shadow = builder().mode(Mode::Shadow).connect().await.unwrap();
    let app: Router = Router::new()
        .route_service("/readyz", HealthService::ready(&db))
        .route_service("/readers", HealthService::ready_to_read(&db))
        .route_service("/healthz", HealthService::live(&db));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    until_state(&db, HealthState::Ready).await;
    assert_eq!(asked(addr).await, answers([200, 200, 200], "ready"));
    cluster.primary().kill().unwrap();
    until_state(&db, HealthState::ReadOnly).await;
    assert_eq!(asked(addr).await, answers([503, 200, 200], "read_only"));
    let health = db.cluster().health().to_string();
    assert!(
        health.starts_with("read_only: no node takes writes, 2 of 3 serve reads; "),
        "{health}"
    );
    until_state(&shadow, HealthState::Down).await;
    let health = shadow.cluster().health().to_string();
    assert!(
        health.ends_with(", and reads stay on the primary (mode=shadow)"),
        "{health}"
    );

    let new = cluster.standby(0).clone();
    let promoted = tokio::task::spawn_blocking(move || new.promote().unwrap());
    promoted.await.unwrap();
    until_state(&db, HealthState::Ready).await;
    until_state(&shadow, HealthState::Ready).await;
    assert_eq!(asked(addr).await, answers([200, 200, 200], "ready"));

    for node in cluster.standbys() {
        node.stop(Stop::Immediate).unwrap();
    }
    until_state(&db, HealthState::Down).await;
    assert_eq!(asked(addr).await, answers([503, 503, 200], "down"));
    serving.abort();
}
