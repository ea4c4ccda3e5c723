//! The credentials of all nodes of one cluster.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{NodeCredentials, origin::CredentialsOrigin};

/// When whoever looks after them looks again at the latest, and at the soonest.
const LATEST: Duration = Duration::from_secs(1);
const SOONEST: Duration = Duration::from_millis(20);

/// The credentials of a cluster's nodes. One node's are one, whoever asks and in whichever role.
#[derive(Default)]
pub(crate) struct CredentialsRegistry(Mutex<HashMap<String, Arc<NodeCredentials>>>);

impl CredentialsRegistry {
    /// The credentials from this origin. `limit`: how long one connection may take.
    pub(crate) fn of(&self, origin: CredentialsOrigin, limit: Duration) -> Arc<NodeCredentials> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = all.entry(origin.key());
        let made = made.or_insert_with(|| Arc::new(NodeCredentials::new(origin, limit)));
        Arc::clone(made)
    }

    /// Sees to it that they are there when somebody connects, for as long as the cluster is.
    pub(crate) fn look_after(self: &Arc<Self>) {
        let registry = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(next) = look(&registry).await {
                let pause = next.saturating_duration_since(Instant::now());
                tokio::time::sleep(pause.clamp(SOONEST, LATEST)).await;
            }
        });
    }
}

/// When to come again; none where nobody wants them any more.
async fn look(registry: &Weak<CredentialsRegistry>) -> Option<Instant> {
    let all: Vec<_> = {
        let registry = registry.upgrade()?;
        let all = registry.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(Arc::downgrade).collect()
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
