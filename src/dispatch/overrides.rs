//! What one handle asks for beyond what its cluster is configured to, and whose session it speaks for.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    causality::{Current, Scopes, Session},
    cluster::shared::Shared,
    route::Forced,
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
    pub(crate) zone: Option<Arc<str>>,
}

impl Overrides {
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
