//! What servers told of the caller's template, and of what stands before them; each asked once.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Whose the pool's one slot for new connections is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nobody's but SeaORM's own, for this search path.
    Free(Option<String>),
    /// The caller's.
    Taken,
}

/// What servers told of the caller's template, shared by all nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    slot: Arc<OnceLock<Slot>>,
    sharing: Arc<Mutex<HashMap<String, Arc<Sharing>>>>,
}

impl Found {
    pub(crate) fn set(&self, slot: Slot) {
        // The first answer counts: all are of one template.
        let _ = self.slot.set(slot);
    }

    /// Nothing while nobody has answered.
    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.slot.get()
    }

    /// Whether connections by this URL are shared: a pooler has its mode for a database and a user.
    pub(crate) fn sharing(&self, url: String) -> Arc<Sharing> {
        let mut known = self.sharing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(url).or_default())
    }
}

/// Whether a pooler gives the server's connections to one client after the other, after each transaction.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    shared: AtomicBool,
    /// The pooler tells clients' prepared statements apart.
    prepares: AtomicBool,
    /// The moment of the last look that a statement ordered; held by whoever looks.
    looked: tokio::sync::Mutex<Option<Instant>>,
    /// What was looked at, by how it shows itself (rules I8, I9).
    known: Mutex<Vec<Place>>,
}

/// How what stands between a client and its server shows itself there; another place is something else between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the server sees the client; none on a socket of the file system.
    pub(crate) client: Option<IpAddr>,
    /// A setting that the driver asks for as it connects, as it is there: PgBouncer drops what is asked for.
    pub(crate) digits: String,
}

/// How many places are remembered: a balancer has few, and whatever else has more is asked about again.
const PLACES: usize = 64;

impl Sharing {
    /// Whether what shows itself there was looked at.
    pub(crate) fn is_known_from(&self, place: &Place) -> bool {
        self.places().contains(place)
    }

    /// Looks by this unless that was done for the place; who comes meanwhile waits for it.
    pub(crate) async fn look_from<E>(
        &self,
        place: &Place,
        look: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let _looking = self.looked.lock().await;
        match self.is_known_from(place) {
            true => Ok(()),
            false => look().await,
        }
    }

    /// Notes that the place was looked at.
    pub(crate) fn know_from(&self, place: Place) {
        let mut places = self.places();
        if places.contains(&place) {
            return;
        }
        if places.len() == PLACES {
            places.remove(0);
        }
        places.push(place);
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pooler in transaction mode was met. Whether that is new.
    pub(crate) fn mark_shared(&self, prepares: bool) -> bool {
        self.prepares.store(prepares, Ordering::Release);
        !self.shared.swap(true, Ordering::AcqRel)
    }

    /// Looks by this, one at a time: who comes meanwhile waits for what the first one finds, and who comes soon after it
    /// knows that.
    pub(crate) async fn look(&self, every: Duration, look: impl AsyncFnOnce()) {
        let mut looked = self.looked.lock().await;
        let is_late = looked.is_none_or(|looked| looked.elapsed() >= every);
        if is_late && !self.is_shared() {
            look().await;
            *looked = Some(Instant::now());
        }
    }

    /// Whether the next transaction may be on another connection of the server's.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// Whether what was prepared may be another client's by the time it is executed, but for inside a transaction.
    #[inline]
    pub(crate) fn needs_blocks(&self) -> bool {
        self.is_shared() && !self.prepares.load(Ordering::Acquire)
    }
}
