//! The credentials of all nodes of one cluster.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tracing::Instrument;

use super::{NodeCredentials, origin::CredentialsOrigin};

/// When whoever looks after them looks again at the latest, and at the soonest.
const LATEST: Duration = Duration::from_secs(1);
const SOONEST: Duration = Duration::from_millis(20);

/// Of a node that has gone nobody asks any more after this time.
const KEEP: Duration = Duration::from_secs(60);

/// The credentials of a cluster's nodes. One node's are one, whoever asks and in whichever role.
#[derive(Default)]
pub(crate) struct CredentialsRegistry(Mutex<HashMap<String, Registered>>);

struct Registered {
    credentials: Arc<NodeCredentials>,
    /// When somebody last wanted to connect with them.
    wanted: Instant,
}

impl CredentialsRegistry {
    /// The credentials from this origin. `limit`: how long one connection may take.
    pub(crate) fn of(
        self: &Arc<Self>,
        origin: CredentialsOrigin,
        limit: Duration,
    ) -> Arc<NodeCredentials> {
        let mut all = self.entries();
        if all.is_empty() {
            self.look_after();
        }
        let wanted = Instant::now();
        let entry = all.entry(origin.key()).or_insert_with(|| Registered {
            credentials: Arc::new(NodeCredentials::new(origin, limit)),
            wanted,
        });
        entry.wanted = wanted;
        Arc::clone(&entry.credentials)
    }

    /// Sees to it that they are there when somebody connects, for as long as the cluster is and has any.
    fn look_after(self: &Arc<Self>) {
        let registry = Arc::downgrade(self);
        let looking = async move {
            while let Some(next) = look(&registry).await {
                let pause = next.saturating_duration_since(Instant::now());
                tokio::time::sleep(pause.clamp(SOONEST, LATEST)).await;
            }
        };
        tokio::spawn(looking.boxed().in_current_span());
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Registered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to come again; none where nobody wants them any more.
async fn look(registry: &Weak<CredentialsRegistry>) -> Option<Instant> {
    let all: Vec<_> = {
        let registry = registry.upgrade()?;
        let mut all = registry.entries();
        all.retain(|_, entry| {
            Arc::strong_count(&entry.credentials) > 1 || entry.wanted.elapsed() < KEEP
        });
        if all.is_empty() {
            return None;
        }
        let each = all.values();
        each.map(|entry| Arc::downgrade(&entry.credentials))
            .collect()
    };
    let looks = all
        .iter()
        .filter_map(Weak::upgrade)
        .map(|one| async move { one.look_again().await });
    let next = futures_util::future::join_all(looks).await;
    let latest = Instant::now() + LATEST;
    Some(next.into_iter().flatten().min().unwrap_or(latest))
}

impl fmt::Debug for CredentialsRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsRegistry")
    }
}
