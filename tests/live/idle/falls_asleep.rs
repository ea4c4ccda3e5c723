//! What comes at the very moment at which a cluster falls asleep finds its pool closed, and is done on the next one (rule T17).

use std::sync::mpsc::{Receiver, Sender, channel};

use tracing_subscriber::{Layer, layer::SubscriberExt};

use super::*;

/// Holds the worker up where it says that the cluster sleeps: every pool is closed then, and nobody can see it yet.
struct HeldUp {
    begins: Sender<()>,
    goes_on: std::sync::Mutex<Receiver<()>>,
}

impl<S: tracing::Subscriber> Layer<S> for HeldUp {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut sleeps = false;
        let mut look = |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            sleeps |= field.name() == "message" && format!("{value:?}").starts_with("asleep:");
        };
        event.record(&mut look as &mut dyn tracing::field::Visit);
        if sleeps && self.begins.send(()).is_ok() {
            // The last task that a thread has spawned is its own, and would wait for it: this one is the last.
            tokio::spawn(async {});
            // Whoever tests may have ended.
            let _ = self
                .goes_on
                .lock()
                .unwrap()
                .recv_timeout(Duration::from_secs(10));
        }
    }
}

#[test]
fn what_takes_the_pool_itself_is_asked_again_of_the_cluster_that_is_awake() {
    let cluster = cluster(0);
    let (begins, begun) = channel();
    let (go_on, goes_on) = channel();
    let layer = HeldUp {
        begins,
        goes_on: goes_on.into(),
    };
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .on_thread_start(move || {
            // For as long as the thread lives.
            std::mem::forget(tracing::dispatcher::set_default(&dispatch));
        })
        .build()
        .unwrap();
    let db = runtime.block_on(async { builder(&cluster).connect().await.unwrap() });
    for round in 0..3 {
        begun.recv_timeout(Duration::from_secs(30)).unwrap();
        // It is closed by a task of its own.
        std::thread::sleep(100 * MS);
        let db = db.clone();
        let asking = runtime.spawn(async move {
            match round {
                0 => db.ping().await.map_err(|err| err.to_string()),
                #[cfg(feature = "schema-sync")]
                1 => sea_schema::Connection::query_all_raw(&db, "SELECT 1".to_owned())
                    .await
                    .map(drop)
                    .map_err(|err| err.to_string()),
                #[cfg(feature = "rbac")]
                2 => match db.load_rbac().await {
                    // There are no such tables: the server says so.
                    Err(err) if !matches!(err, sea_orm::DbErr::ConnectionAcquire(_)) => Ok(()),
                    other => Err(format!("{other:?}")),
                },
                _ => Ok(()),
            }
        });
        std::thread::sleep(200 * MS);
        go_on.send(()).unwrap();
        runtime.block_on(asking).unwrap().unwrap();
    }
}
