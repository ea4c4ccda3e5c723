//! What is kept with a pool of ours, which may be handed out to the application as it is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::NodePool;
use crate::{
    credentials::{Login, NodeCredentials, TakesCredentials},
    node::{HandedConnections, IdleStack, openings::Openings},
};

/// What is known of a pool of ours: whether the application has it, and what looks at its connections.
#[derive(Debug, Default)]
pub(crate) struct PoolState {
    handed_out: AtomicBool,
    /// We have closed it ourselves.
    ended: AtomicBool,
    /// What notes its connections, where it may be handed out.
    handed: Option<Arc<HandedConnections>>,
    /// No closure of the caller's looks at connections that are taken or come back, surely.
    plain: bool,
    /// What is idle and was used last.
    idle: Arc<IdleStack>,
    /// What is being opened.
    openings: Arc<Openings>,
    /// Nothing runs on its new connections, surely.
    #[cfg(feature = "mysql")]
    free_slot: bool,
    credentials: Option<PoolCredentials>,
}

/// What a pool logs in with, where that changes. It is told of others for as long as this is there.
struct PoolCredentials {
    from: Arc<NodeCredentials>,
    _taker: Arc<dyn TakesCredentials>,
}

impl std::fmt::Debug for PoolCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PoolCredentials")
    }
}

impl PoolState {
    pub(in crate::node) fn noted(handed: Option<Arc<HandedConnections>>) -> Self {
        Self {
            handed,
            ..Self::default()
        }
    }

    /// `free_slot`: nothing runs on its new connections.
    #[cfg(feature = "mysql")]
    pub(in crate::node) fn with_slot(free_slot: bool) -> Self {
        Self {
            free_slot,
            ..Self::default()
        }
    }

    #[cfg(feature = "mysql")]
    pub(super) fn has_free_slot(&self) -> bool {
        self.free_slot
    }

    /// `plain`: no closure of the caller's looks at connections that are taken or come back.
    #[cfg(feature = "postgres")]
    pub(in crate::node) fn with_plain(self, plain: bool) -> Self {
        Self { plain, ..self }
    }

    /// `taker`: what lets the pool log in with others.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(in crate::node) fn with_credentials(
        self,
        from: Option<&Arc<NodeCredentials>>,
        taker: Arc<dyn TakesCredentials>,
    ) -> Self {
        let credentials = from.map(|from| {
            from.tell(&taker);
            PoolCredentials {
                from: Arc::clone(from),
                _taker: taker,
            }
        });
        Self {
            credentials,
            ..self
        }
    }

    /// Whose credentials its pool has.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn credentials(&self) -> Option<&Arc<NodeCredentials>> {
        self.credentials.as_ref().map(|own| &own.from)
    }

    pub(super) fn ends(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl NodePool {
    /// The login of whoever opens a connection of the pool now, where it may be refused and tried again.
    pub(crate) fn login(&self) -> Option<Login> {
        let own = self.state()?.credentials.as_ref()?;
        Some(Login::new(&own.from))
    }

    pub(super) fn state(&self) -> Option<&PoolState> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(.., state) => Some(state),
            #[cfg(feature = "mysql")]
            Self::MySql(.., state) => Some(state),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(.., state) => Some(state),
            Self::Adopted(_) | Self::PendingPool(_) => None,
        }
    }

    /// What has noted its connections.
    pub(crate) fn handed(&self) -> Option<&Arc<HandedConnections>> {
        self.state()?.handed.as_ref()
    }

    /// The application has it from now on.
    pub(crate) fn hand_out(&self) {
        if let Some(state) = self.state() {
            state.handed_out.store(true, Ordering::Release);
        }
        // Nobody but the pool has its idle connections from now on.
        self.close_idle_stack();
    }

    /// The stack in front of the pool, where a connection may serve one statement after the other: no closure of the
    /// caller's is to find it in the pool in between.
    pub(in crate::node) fn idle_stack(&self) -> Option<&Arc<IdleStack>> {
        self.state()
            .filter(|state| state.plain)
            .map(|state| &state.idle)
    }

    /// What is being opened, of a server.
    pub(in crate::node) fn openings(&self) -> Option<&Arc<Openings>> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => None,
            _ => self.state().map(|state| &state.openings),
        }
    }

    /// Gives the pool for good what waits in front of it.
    pub(in crate::node) fn close_idle_stack(&self) {
        if let Some(idle) = self.idle_stack() {
            idle.close();
        }
    }

    /// Whether the application has it, so that no other may take its place while its server is the same.
    pub(crate) fn is_handed_out(&self) -> bool {
        self.state()
            .is_some_and(|state| state.handed_out.load(Ordering::Acquire))
    }

    /// Whether what is done on connections of it matters to what is read elsewhere.
    pub(crate) fn needs_second_pool(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(..) => true,
            #[cfg(feature = "mysql")]
            Self::MySql(..) => true,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => false,
            Self::Adopted(_) | Self::PendingPool(_) => false,
        }
    }

    /// Returns when it was closed; never where it is not ours to know.
    pub(crate) fn until_closed(&self) -> BoxFuture<'static, ()> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => pool.close_event().boxed(),
            #[cfg(feature = "mysql")]
            Self::MySql(pool, ..) => pool.close_event().boxed(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool, ..) => pool.close_event().boxed(),
            Self::Adopted(_) | Self::PendingPool(_) => std::future::pending().boxed(),
        }
    }

    /// Whether the application closed it, and with it the handle.
    pub(crate) fn was_closed(&self) -> bool {
        let ended = |state: &PoolState| state.ended.load(Ordering::Acquire);
        // In this order: we say so before we close it.
        self.is_closed() && self.state().is_some_and(|state| !ended(state))
    }

    /// Whether the server of its connections may live on, while the node's are led to another.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.guide().is_some_and(|guide| guide.is_elsewhere())
    }

    /// Keeps the pool for another incarnation of its server: what is idle belongs to the former one.
    pub(crate) fn renew(&self) {
        self.sweep();
        if let Some(guide) = self.guide() {
            guide.renew();
        }
    }
}
