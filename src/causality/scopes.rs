//! Sessions that a future runs in, whatever handle it uses (rule C8).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Clock, Session};

tokio::task_local! {
    static SCOPES: Arc<Scopes>;
}

/// Nobody ever used a scope, and then nobody has to look.
static USED: AtomicBool = AtomicBool::new(false);

/// The innermost session of each cluster, as a list from the inside out.
#[derive(Debug)]
pub(crate) struct Scopes {
    clock: Arc<Clock>,
    session: Arc<Session>,
    outer: Option<Arc<Scopes>>,
}

impl Scopes {
    /// The session of this cluster that the current future runs in.
    #[inline]
    pub(crate) fn current(clock: &Arc<Clock>) -> Option<Arc<Session>> {
        if !USED.load(Ordering::Relaxed) {
            return None;
        }
        SCOPES.try_with(|scopes| scopes.find(clock)).ok().flatten()
    }

    fn find(&self, clock: &Arc<Clock>) -> Option<Arc<Session>> {
        let mut scopes = Some(self);
        while let Some(scope) = scopes {
            if Arc::ptr_eq(&scope.clock, clock) {
                return Some(Arc::clone(&scope.session));
            }
            scopes = scope.outer.as_deref();
        }
        None
    }
}

/// Runs a future in this session, beside those of other clusters that it runs in already.
pub(crate) async fn within<F: Future>(
    clock: Arc<Clock>,
    session: Arc<Session>,
    future: F,
) -> F::Output {
    USED.store(true, Ordering::Relaxed);
    let outer = SCOPES.try_with(Arc::clone).ok();
    let scopes = Scopes {
        clock,
        session,
        outer,
    };
    SCOPES.scope(Arc::new(scopes), future).await
}
