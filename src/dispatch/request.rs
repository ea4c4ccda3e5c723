//! What is asked for, by the handle and by the statement, and what of it is fixed when it arrives.
//!
//! A request never changes. What does stands beside it in the [`Attempt`](super::Attempt): what the text was judged to be
//! ([`Classification`]), what the read needs of its node ([`Freshness`](super::freshness::Freshness)), where it was tried
//! ([`Progress`](super::progress::Progress)), how long that took ([`Timing`](super::phase::Timing)).

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    causality::{Current, Scopes, Session, Stood},
    cluster::shared::Shared,
    intent::{Classification, Classifier},
    metrics::ClusterCounter,
    node::{Node, local::LocalSettings},
    route::Forced,
    snapshot::Snapshot,
    state::Preference,
    vocabulary::{Consistency, OnStale, Scope},
};

/// What one handle asks for beyond what its cluster is configured to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) force: Forced,
    /// The cluster's, where nothing is said.
    pub(crate) consistency: Option<Consistency>,
    pub(crate) on_stale: Option<OnStale>,
    /// In microseconds, one more than that many: a handle has 64 bytes.
    pub(crate) stale_wait: Option<NonZeroU32>,
    /// How far behind a replica may be, in milliseconds.
    pub(crate) max_lag: Option<NonZeroU32>,
    /// The handle belongs to no session.
    pub(crate) untracked: bool,
    pub(crate) session: Option<Arc<Session>>,
    /// Which replicas it would rather have.
    pub(crate) preference: Option<Arc<Preference>>,
    /// Settings that its statements find set.
    pub(crate) local: Option<Arc<LocalSettings>>,
}

impl Overrides {
    /// The judge of this handle's texts.
    #[inline]
    pub(crate) fn classifier<'a>(&'a self, shared: &'a Shared) -> &'a Classifier {
        match &self.local {
            None => &shared.judging.classifier,
            Some(local) => local.classifier(),
        }
    }

    /// What reads may miss.
    #[inline]
    pub(crate) fn level(&self, shared: &Shared) -> Consistency {
        self.consistency.unwrap_or(shared.config.consistency)
    }

    pub(crate) fn on_stale(&self, shared: &Shared) -> OnStale {
        self.on_stale.unwrap_or(shared.config.on_stale)
    }

    pub(crate) fn stale_wait(&self, shared: &Shared) -> Duration {
        match self.stale_wait {
            Some(micros) => Duration::from_micros(u64::from(micros.get()) - 1),
            None => shared.config.stale_wait,
        }
    }

    /// Whose session it is: the handle's own, else the one that the future runs in, else the configured one.
    #[inline]
    pub(crate) fn current(&self, shared: &Shared) -> Current {
        if let Some(session) = &self.session {
            return Current::of(Arc::clone(session));
        }
        if self.untracked {
            return Current::Untracked;
        }
        if let Some(session) = Scopes::current(&shared.clock) {
            return Current::of(session);
        }
        match shared.config.scope {
            Scope::Process => Current::Process,
            Scope::Task => tokio::task::try_id().map_or(Current::Process, Current::Task),
        }
    }
}

/// What a request is, as it stood when it arrived.
pub(super) struct Request<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) overrides: &'a Overrides,
    pub(super) sql: Option<&'a str>,
    /// Whose it is.
    pub(super) current: Current,
    pub(super) level: Consistency,
    /// How its session stood before, for a transaction that goes on reading.
    pub(super) stood: Stood,
    /// Bookmarks of its session waited when it arrived, or reads.
    pub(super) has_rest: bool,
    /// A connection of `concrete()` was out when it arrived (see there), and it has to see what is done there.
    pub(super) unseen: bool,
}

impl Request<'_> {
    /// The judge of its text.
    #[inline]
    pub(super) fn classifier(&self) -> &Classifier {
        self.overrides.classifier(self.shared)
    }

    /// Whether nodes that do not tell how far they are serve it no more.
    pub(super) fn shuns_untold(&self, snapshot: &Snapshot) -> bool {
        snapshot.view.any_untold && self.level != Consistency::Eventual
    }

    /// How far each of several servers that answer as this node has to be so as not to be further behind than
    /// `SEALANE_MAX_LAG`; nothing where any will do, or they cannot tell.
    pub(super) fn least_position(&self, node: &Node) -> Option<u64> {
        let tells = self.shared.tracker.gives_position(node) && !node.link.is_shared();
        self.shared.least_position.get().filter(|_| tells)
    }

    /// Whether the node is no further behind than its handle allows (T11). While nobody takes writes, nobody falls
    /// behind.
    pub(super) fn allows_lag_of(&self, node: &Node, snapshot: &Snapshot) -> bool {
        let Some(most) = self.overrides.max_lag else {
            return true;
        };
        if !self.shared.tracker.gives_position(node) {
            return true;
        }
        // What is told is of the server that health checks lead to, and the read may be led to another one.
        if node.replayed.is_mixed() {
            return false;
        }
        let Some(current_at) = node.lag.current_at() else {
            return false;
        };
        let now = self.shared.origin.elapsed();
        let now = snapshot
            .view
            .none_since
            .map_or(now, |since| since.0.min(now));
        now.saturating_sub(current_at) <= Duration::from_millis(most.get().into())
    }
}

/// Judges a text that was handed to `query…` or `stream…`.
#[inline]
pub(crate) fn classify(shared: &Shared, overrides: &Overrides, sql: &str) -> Classification {
    let judged = overrides.classifier(shared).verdict(sql);
    shared.count(ClusterCounter::CacheHit);
    if judged.unknown {
        shared.wish_catalog();
    }
    judged
}
