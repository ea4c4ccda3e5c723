//! The shop's routes.

use std::collections::HashMap;

use axum::{
    Form, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::Markup;
use metrics_exporter_prometheus::PrometheusHandle;
use sealane::{
    ClusterSignal,
    middleware::{HealthService, SessionLayer},
};
use serde::Deserialize;
use tokio::sync::watch;

use crate::{
    diary::{self, Diary},
    live::{Happened, Leisure, Visitor},
    page::{self, Note, Read, Status, Window},
    servers::{Act, Stage},
    shop::{NoOrder, Shop},
};

/// Sent by the page's script: the answer is a part of the page, not all of it.
const PART: HeaderName = HeaderName::from_static("x-part");

/// No script, style or form but the shop's own, and nobody puts a frame around its buttons.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    pub shop: Shop,
    pub stage: Option<Stage>,
    pub diary: Diary,
    pub happened: Happened,
    pub leisure: Leisure,
    pub metrics: PrometheusHandle,
    pub published: watch::Sender<Status>,
    pub closing: watch::Receiver<bool>,
}

pub fn routes(app: App) -> Router {
    let db = app.shop.db.clone();
    let asset = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", get(front))
        .route("/window", get(window))
        .route("/orders", post(order))
        // What a client wrote its next request sees. Without TLS here; leave `insecure()` out behind HTTPS.
        .layer(SessionLayer::new(db.clone()).insecure())
        // What follows reads in no session.
        .route("/live", get(live))
        .route("/servers/{act}", post(act))
        .route("/metrics", get(metrics))
        .route_service("/healthz", HealthService::live(&db))
        .route_service("/readyz", HealthService::ready(&db))
        .route(
            "/shop.css",
            asset(
                "text/css; charset=utf-8",
                include_str!("../assets/shop.css"),
            ),
        )
        .route(
            "/shop.js",
            asset(
                "text/javascript; charset=utf-8",
                include_str!("../assets/shop.js"),
            ),
        )
        .route(
            "/icon.svg",
            asset("image/svg+xml", include_str!("../assets/icon.svg")),
        )
        .layer(middleware::from_fn(guard))
        .with_state(app)
}

/// Whether a request names this machine. A name of another site's that leads here makes that site's pages the same origin.
fn is_to_this_machine(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    matches!(name, Some("127.0.0.1" | "localhost"))
}

/// Other sites' pages can send forms to this machine, too: a browser says so.
async fn guard(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    let is_own_page = site.is_none_or(|site| site == "same-origin" || site == "none");
    let is_ours = is_own_page && is_to_this_machine(request.headers());
    if !request.method().is_safe() && !is_ours {
        let why = "a form of another site's page is not taken";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The first read is the one of which somebody wants to know where it went: the others may go elsewhere.
async fn look(shop: &Shop) -> Window {
    let (rows, decisions) = diary::noted("orders", shop.orders()).await;
    let orders = Read { rows, decisions };
    let (rows, decisions) = diary::noted("articles", shop.articles()).await;
    let articles = Read { rows, decisions };
    Window { articles, orders }
}

async fn whole(app: &App, note: Note) -> Markup {
    let window = look(&app.shop).await;
    let status = page::status(&app.shop.db, &app.diary, &app.happened, &app.leisure);
    page::page(&window, &status, &note, app.stage.is_some())
}

async fn front(State(app): State<App>, Query(query): Query<HashMap<String, String>>) -> Markup {
    let placed: Option<i32> = query.get("placed").and_then(|id| id.parse().ok());
    let note = placed.map_or(Note::Nothing, |id| {
        Note::Done(format!("Order {id} is stored."))
    });
    whole(&app, note).await
}

async fn window(State(app): State<App>) -> Markup {
    page::window(&look(&app.shop).await)
}

#[derive(Deserialize)]
struct Order {
    article: i32,
    key: String,
}

async fn order(State(app): State<App>, headers: HeaderMap, Form(order): Form<Order>) -> Response {
    let placed = app.shop.place(order.article, &order.key);
    let (placed, decisions) = diary::noted("order", placed).await;
    let (status, note) = match placed {
        Ok(id) if !headers.contains_key(PART) => {
            return Redirect::to(&format!("/?placed={id}")).into_response();
        }
        Ok(id) => {
            let written_at = decisions
                .last()
                .map(ToString::to_string)
                .unwrap_or_default();
            (
                StatusCode::OK,
                Note::Done(format!("Order {id} was written at {written_at}.")),
            )
        }
        Err(why) => {
            let status = match why {
                NoOrder::SoldOut => StatusCode::CONFLICT,
                NoOrder::Unknown(_) | NoOrder::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, Note::Failed(format!("No order: {why}.")))
        }
    };
    answer(&app, &headers, status, note).await
}

async fn act(State(app): State<App>, headers: HeaderMap, Path(word): Path<String>) -> Response {
    let (Some(stage), Some(act)) = (&app.stage, Act::of(&word)) else {
        return (
            StatusCode::NOT_FOUND,
            "there are no such servers here: start the shop with --cluster\n",
        )
            .into_response();
    };
    let done = stage.perform(act).await;
    if done.is_ok() && act.brings_back() {
        // Else it is found at its next trial, which is later the longer it was down. Of a failover nobody is told.
        let told = app.shop.db.cluster().signal(ClusterSignal::Refresh);
        told.unwrap_or_else(|err| tracing::warn!("the cluster was not told: {err}"));
    }
    match done {
        Ok(_) if !headers.contains_key(PART) => Redirect::to("/").into_response(),
        Ok(told) => answer(&app, &headers, StatusCode::OK, Note::Done(told.to_owned())).await,
        Err(why) => answer(&app, &headers, StatusCode::CONFLICT, Note::Failed(why)).await,
    }
}

/// The note alone for the page's script, and a whole page for whoever has none.
async fn answer(app: &App, headers: &HeaderMap, status: StatusCode, note: Note) -> Response {
    let body = match headers.contains_key(PART) {
        true => page::told(&note),
        false => whole(app, note).await,
    };
    (status, Html(body.0)).into_response()
}

async fn live(State(app): State<App>) -> impl IntoResponse {
    let visitor = Visitor {
        published: app.published.subscribe(),
        orders: app.shop.changes.subscribe(),
        closing: app.closing.clone(),
    };
    visitor.stream()
}

async fn metrics(State(app): State<App>) -> Response {
    // As of now, and not of the last whole second.
    if let Err(err) = app.shop.db.cluster().export_metrics().await {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{err}\n")).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, app.metrics.render()).into_response()
}
