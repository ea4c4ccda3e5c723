//! What an orchestrator asks of a process (feature `tower`).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_service::Service;

use crate::{cluster::Cluster, connection::RoutedConnection, vocabulary::HealthState};

/// A tower service that answers whether this process may be sent traffic, or whether it lives.
///
/// [`ready`](Self::ready) is for `/readyz`: 200 while the cluster is ready, else 503. [`live`](Self::live) is for `/healthz`: 200
/// whatever the cluster does, since a process that waits for a failover is well, and starting it anew would only take its
/// connections and what it knows. The body is the word of the cluster's [state](HealthState), and names nobody; why it is so
/// says [`Cluster::health`].
///
/// ```no_run
/// use axum::Router;
/// use sealane::{RoutedConnection, middleware::HealthService};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let db = RoutedConnection::from_env().await?;
/// let app: Router = Router::new()
///     .route_service("/healthz", HealthService::live(&db))
///     .route_service("/readyz", HealthService::ready(&db));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthService {
    cluster: Cluster,
    /// The states in which the answer is 200.
    well: &'static [HealthState],
}

impl HealthService {
    /// Whether writes and reads are served.
    #[must_use]
    pub fn ready(db: &RoutedConnection) -> Self {
        Self::of(db, &[HealthState::Ready])
    }

    /// Whether reads are served: for a process that only reads.
    #[must_use]
    pub fn ready_to_read(db: &RoutedConnection) -> Self {
        Self::of(db, &[HealthState::Ready, HealthState::ReadOnly])
    }

    /// 200 for as long as the process answers at all.
    #[must_use]
    pub fn live(db: &RoutedConnection) -> Self {
        Self::of(db, HealthState::ALL)
    }

    fn of(db: &RoutedConnection, well: &'static [HealthState]) -> Self {
        let cluster = db.cluster();
        Self { cluster, well }
    }
}

impl<B> Service<Request<B>> for HealthService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let state = self.cluster.health().state;
        let mut response = Response::new(format!("{state}\n"));
        if !self.well.contains(&state) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let headers = response.headers_mut();
        // What was so a moment ago says nothing of now.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        ready(Ok(response))
    }
}
