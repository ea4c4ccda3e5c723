//! What a web application puts around its routes (feature `tower`): a session for each HTTP request, so that what a client
//! wrote its next request sees, in whichever process that lands; and the answers to an orchestrator's questions.
//!
//! ```no_run
//! use axum::Router;
//! use sealane::{
//!     RoutedConnection,
//!     middleware::{HealthService, SessionLayer},
//! };
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let db = RoutedConnection::from_env().await?;
//! let app: Router = Router::new()
//!     .layer(SessionLayer::new(db.clone()))
//!     // Asked often, and outside of any session.
//!     .route_service("/healthz", HealthService::live(&db))
//!     .route_service("/readyz", HealthService::ready(&db));
//! # Ok(())
//! # }
//! ```

mod carrier;
mod health;

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use self::carrier::Carrier;
pub use self::health::HealthService;
use crate::{connection::RoutedConnection, error::Error, position::Bookmark, scope};

/// A tower layer that gives every request a session of its own, begun from the bookmark that the client brought, and
/// gives the client the new bookmark when the session moved.
///
/// Inside, every plain handle to the same cluster reads and writes in that session (see [`scope`]); the session is
/// also in the request's extensions, as a [`RoutedConnection`]. A request that brings no bookmark reads as a plain
/// handle does: it sees what this process wrote, so that a client that keeps no cookie reads its own writes too, as
/// far as one process goes. One that brings a bookmark sees what that stands for, and what the process wrote outside
/// of requests, such as a migration at its start; other clients' writes do not keep it from the replicas. Both see
/// what is done on a pool of [`concrete()`](RoutedConnection::concrete), whenever that was taken.
/// [`bookmarks_only`](Self::bookmarks_only) narrows both.
///
/// By default the bookmark travels in a cookie called `sealane`, `HttpOnly`, `Secure`, `SameSite=Lax`, on the path `/`,
/// until the browser is closed: it is for this site's own requests, no script has to see it, and it matters only for as
/// long as replicas lag. What cannot be read, or comes from another cluster, is ignored; a request never fails for it.
///
/// The response waits for the bookmark, usually less than a millisecond, only if the request wrote, and never longer
/// than `SEALANE_STALE_WAIT`. When the primary has not told by then where the write lies, or nobody knows whether it
/// was executed, the client is given a bookmark that says so: its next request reads on the primary until that has
/// told how far it is, and for as long as the write may still be executed, 30 s at the most. Four things are not in
/// it: what is written while a streamed body is sent, since the headers are gone by then; what a spawned task writes
/// later; what is written through a pool that was taken outside of the request (take it in the handler, by
/// `get_postgres_connection_pool()`, and it is in); and, of responses to overlapping requests of one client, all but
/// the one that arrives last.
///
/// ```no_run
/// use axum::{Router, extract::State, routing::get};
/// use sealane::{RoutedConnection, middleware::SessionLayer};
///
/// async fn notes(State(db): State<RoutedConnection>) -> String {
///     // Sees what this client wrote before, wherever that was.
///     db.explain("SELECT 1").to_string()
/// }
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let db = RoutedConnection::from_env().await?;
/// let app: Router = Router::new()
///     .route("/notes", get(notes))
///     .layer(SessionLayer::new(db.clone()))
///     .with_state(db);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer {
    db: RoutedConnection,
    carrier: Carrier,
    /// A client that brings nothing needs nothing.
    narrow: bool,
}

impl SessionLayer {
    /// With the default cookie.
    #[must_use]
    pub fn new(db: RoutedConnection) -> Self {
        Self {
            db,
            carrier: Carrier::default(),
            narrow: false,
        }
    }

    /// A request that brings no bookmark sees whatever replicas have, and one that brings one sees what that stands for
    /// and nothing else. It spares the primary where every client keeps what it is given and nothing but requests
    /// writes; any other client then misses its own writes, and so does a request that writes through a pool which was
    /// taken outside of it.
    #[must_use]
    pub fn bookmarks_only(mut self) -> Self {
        self.narrow = true;
        self
    }

    /// With a cookie of this name instead of `sealane`: for two clusters in one application, which need a layer and a
    /// cookie each.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>) -> Self {
        self.carrier.rename(name.into());
        self
    }

    /// With a cookie that is sent over plain HTTP as well (default: `Secure`, for HTTPS only): for development without
    /// TLS.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.carrier.insecure();
        self
    }

    /// In a header of request and response instead of a cookie: for clients that are no browsers, which pass on what
    /// they were given last.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.carrier = Carrier::Header(name);
        self
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    layer: SessionLayer,
}

impl<S, Q, R> Service<Request<Q>> for SessionService<S>
where
    S: Service<Request<Q>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    Q: Send + 'static,
    R: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        // The one that was polled ready is used; its clone has to be polled again.
        let fresh = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, fresh);
        let SessionLayer {
            db,
            carrier,
            narrow,
        } = self.layer.clone();
        let (session, brought) = begin(&db, carrier.read(request.headers()), narrow);
        request.extensions_mut().insert(session.clone());
        Box::pin(async move {
            // Called inside as well: a service may do some of its work before its future is polled.
            let mut response = scope(&session, async move { inner.call(request).await }).await?;
            if session.moved_from(&brought) {
                let bookmark = session.bookmark_in_time().await;
                // While it stays as it was, it need not be given again.
                if bookmark != brought {
                    carrier.write(&bookmark, response.headers_mut());
                }
            }
            Ok(response)
        })
    }
}

/// A session that has seen what the client brought, and that. What cannot be used was not brought.
fn begin(
    db: &RoutedConnection,
    brought: Option<String>,
    narrow: bool,
) -> (RoutedConnection, Bookmark) {
    let bookmark = brought.map_or(Ok(Bookmark::default()), |text| text.parse());
    let bookmark = bookmark.unwrap_or_else(|err| {
        tracing::debug!(error = %err, "a client's bookmark is ignored");
        Bookmark::default()
    });
    let session = db.session_of_client(&bookmark, narrow);
    match session.observe(&bookmark) {
        Ok(()) | Err(Error::Disconnected) => (session, bookmark),
        Err(err) => {
            tracing::debug!(error = %err, "a client's bookmark is ignored");
            let nothing = Bookmark::default();
            (db.session_of_client(&nothing, narrow), nothing)
        }
    }
}
