//! A small shop on SeaORM and sealane, and a page that shows where its reads go.
//!
//! `cargo run -p sealane-shop` has a SQLite file; with `-- --cluster` a PostgreSQL primary and a standby, and buttons that
//! break them. `docs/shop.md` says what there is to see.

mod args;
mod diary;
mod live;
mod packing;
mod page;
mod schema;
mod servers;
mod shop;
mod web;

use std::{error::Error as StdError, process::ExitCode, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use sea_orm_migration::{DbErr, MigratorTrait};
use sealane::RoutedConnection;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::Level;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use self::{
    args::{Args, Asked},
    diary::Diary,
    live::{Happened, Leisure, Watcher},
    page::Status,
    schema::Migrator,
    servers::Servers,
    shop::Shop,
    web::App,
};

type Failed = Box<dyn StdError + Send + Sync>;

/// How many orders wait for the packer.
const QUEUE: usize = 1_000;

/// How long requests have that are under way when the shop is told to close: as long as a write waits for a primary.
const CLOSES_WITHIN: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    let done = match args::parse(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            say(args::HELP);
            Ok(())
        }
        Ok(Asked::Serve(args)) => serve(args).await,
        Err(why) => Err(why.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            complain(&err.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), Failed> {
    let diary = Diary::default();
    observe(&diary);
    let metrics = recorder()?;
    let (closes, closing) = watch::channel(false);

    let listener = TcpListener::bind(args.addr)
        .await
        .map_err(|err| format!("{} cannot be had ({err}): take another --port", args.addr))?;
    let servers = Servers::start(args.cluster).await?;
    migrate(servers.connect().await?).await?;
    let db = servers.connect().await?;

    let (jobs, queue) = mpsc::channel(QUEUE);
    let changes = watch::Sender::new(0);
    let packer = tokio::spawn(packing::work(db.clone(), queue, changes.clone()));
    let shop = Shop {
        db: db.clone(),
        jobs,
        changes,
    };
    let app = App {
        shop: shop.clone(),
        stage: servers.stage(),
        diary,
        happened: Happened::default(),
        leisure: Leisure::default(),
        metrics,
        published: watch::Sender::new(Status::default()),
        closing: closing.clone(),
    };
    let watcher = Watcher {
        shop,
        diary: app.diary.clone(),
        happened: app.happened.clone(),
        leisure: app.leisure.clone(),
        events: db.cluster().subscribe()?,
        metrics: app.metrics.clone(),
        published: app.published.clone(),
    };
    let watching = tokio::spawn(watcher.run(closing.clone()));

    say(&format!(
        "the shop is open: http://{}",
        listener.local_addr()?
    ));
    tokio::spawn(async move {
        asked_to_end().await;
        closes.send_replace(true);
    });
    let mut told = closing.clone();
    let serving = axum::serve(listener, web::routes(app)).with_graceful_shutdown(async move {
        // It fails only where nobody can say so any more.
        let _ = told.wait_for(|closing| *closing).await;
    });
    let mut closing = closing;
    tokio::select! {
        served = serving.into_future() => served?,
        () = async {
            let _ = closing.wait_for(|closing| *closing).await;
            tokio::time::sleep(CLOSES_WITHIN).await;
        } => complain("some requests had no end in time"),
    }

    // The routes are gone, and with them whoever gives the packer work: it packs what is left.
    watching.await?;
    if timeout(CLOSES_WITHIN, packer).await.is_err() {
        complain("some orders are packed after the next start");
    }
    if timeout(CLOSES_WITHIN, db.close()).await.is_err() {
        complain("some connections were not given back");
    }
    servers.stop().await;
    say("the shop is closed");
    Ok(())
}

/// Migrations insist on SeaORM's own type, and belong on whatever server is the primary.
///
/// By a handle of their own: the shop's, which is opened afterwards, knows the tables from its first read on. And nothing is
/// left of the pool that `concrete()` has: the end of a connection in it counts as a write, so that a primary which dies would
/// keep reads of the replicas waiting for the next one.
async fn migrate(db: RoutedConnection) -> Result<(), DbErr> {
    Migrator::up(db.concrete(), None).await?;
    db.close().await
}

/// Ctrl-C, or what an orchestrator sends.
async fn asked_to_end() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// The diary, and a log on the standard error output by `RUST_LOG`.
fn observe(diary: &Diary) {
    let wanted = std::env::var("RUST_LOG").ok();
    let wanted = wanted.and_then(|wanted| wanted.parse::<Targets>().ok());
    // The driver's own warnings of connections stand in sealane's as well, with the node and what to do.
    let usual = || {
        Targets::new()
            .with_default(Level::WARN)
            .with_targets([("sqlx_core", Level::ERROR), ("sqlx::pool", Level::ERROR)])
    };
    let wanted = wanted.unwrap_or_else(usual);
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(wanted);
    tracing_subscriber::registry()
        .with(diary.layer())
        .with(log)
        .init();
}

/// With the buckets of docs/tuning.md: without any, the exporter makes summaries, which cannot be added up.
fn recorder() -> Result<PrometheusHandle, BuildError> {
    let buckets = [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
        60.0,
    ];
    let ours = Matcher::Prefix("sealane_".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(ours, &buckets)?
        .install_recorder()
}

#[expect(clippy::print_stdout, reason = "whoever starts it reads where it is")]
fn say(what: &str) {
    println!("{what}");
}

#[expect(clippy::print_stderr, reason = "whoever starts it reads why it is not")]
fn complain(what: &str) {
    eprintln!("{what}");
}
