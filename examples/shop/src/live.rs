//! What the page shows without being loaded again: one task looks for all visitors, and each gets what changed.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use metrics_exporter_prometheus::PrometheusHandle;
use sealane::{ClusterEvent, ClusterEvents};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    diary::{self, Decision, Diary},
    page::{Status, status},
    shop::Shop,
};

/// How often the page's figures change.
const INTERVAL: Duration = Duration::from_millis(500);
/// How many events the page shows.
const SHOWN: usize = 8;

/// The cluster's last events.
#[derive(Clone, Default)]
pub struct Happened(Arc<Mutex<VecDeque<(Instant, ClusterEvent)>>>);

impl Happened {
    fn note(&self, event: ClusterEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.truncate(SHOWN - 1);
        events.push_front((Instant::now(), event));
    }

    /// The newest first, each with its age.
    pub fn last(&self) -> Vec<(Duration, ClusterEvent)> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let events = events.iter();
        events
            .map(|(at, event)| (at.elapsed(), event.clone()))
            .collect()
    }
}

/// A count of orders by a read that may be old, and where it was read.
pub type Leisure = Arc<Mutex<Option<(u64, Decision)>>>;

/// What the task looks at.
pub struct Watcher {
    pub shop: Shop,
    pub diary: Diary,
    pub happened: Happened,
    pub leisure: Leisure,
    pub events: ClusterEvents,
    pub metrics: PrometheusHandle,
    pub published: watch::Sender<Status>,
}

impl Watcher {
    /// Looks until the shop closes.
    pub async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut counting: Option<JoinHandle<()>> = None;
        loop {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                Some(event) = self.events.next() => self.happened.note(event),
                _ = ticks.tick() => {
                    // What the exporter's own server would do.
                    self.metrics.run_upkeep();
                    // While nobody looks, nothing is read. Nor is it waited for: in a failover that may take as long.
                    let is_free = counting.as_ref().is_none_or(JoinHandle::is_finished);
                    if is_free && self.published.receiver_count() > 0 {
                        counting = Some(tokio::spawn(count(self.shop.clone(), Arc::clone(&self.leisure))));
                    }
                }
            }
            let status = status(&self.shop.db, &self.diary, &self.happened, &self.leisure);
            self.published.send_replace(status);
        }
    }
}

async fn count(shop: Shop, leisure: Leisure) {
    let (count, decisions) = diary::noted("count at leisure", shop.count_at_leisure()).await;
    if let (Ok(count), Some(last)) = (count, decisions.into_iter().last()) {
        *leisure.lock().unwrap_or_else(PoisonError::into_inner) = Some((count, last));
    }
}

/// What one visitor is sent.
pub struct Visitor {
    pub published: watch::Receiver<Status>,
    pub orders: watch::Receiver<u64>,
    /// A shop that closes waits for every response to end, so this one has to.
    pub closing: watch::Receiver<bool>,
}

impl Visitor {
    pub fn stream(self) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let begin = (self, Status::default());
        let events = stream::unfold(begin, |(mut visitor, mut shown)| async move {
            let event = visitor.next(&mut shown).await?;
            Some((Ok(event), (visitor, shown)))
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    }

    async fn next(&mut self, shown: &mut Status) -> Option<Event> {
        loop {
            tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return None,
                Ok(()) = self.published.changed() => {
                    let now = self.published.borrow_and_update().clone();
                    let event = difference(shown, &now);
                    *shown = now;
                    if event.is_some() {
                        return event;
                    }
                }
                Ok(()) = self.orders.changed() => {
                    // An event without data is none.
                    let count = self.orders.borrow_and_update().to_string();
                    return Some(Event::default().event("orders").data(count));
                }
            }
        }
    }
}

/// The parts that are other than before, as one event.
fn difference(shown: &Status, now: &Status) -> Option<Event> {
    let pairs = shown.parts().into_iter().zip(now.parts());
    let changed = pairs.filter(|(shown, now)| shown.0 != now.0);
    let changed: String = changed.map(|(_, now)| now.0.as_str()).collect();
    (!changed.is_empty()).then(|| Event::default().event("parts").data(changed))
}
