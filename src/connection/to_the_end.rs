//! Work that must not stop half way, whoever stops waiting for it.
//!
//! sqlx 0.9 does not know of a transaction before the answer to its BEGIN. A `begin` that is dropped before gives the
//! connection back with the transaction open, and whatever the next ones write on it is acknowledged and never
//! committed. So the rest is done by a task, which then drops the transaction as any other.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

use crate::{node::Node, session::Replayed};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs as it is polled; dropped before its end, it goes on in a task.
pub(super) struct ToTheEnd<T: Send + 'static> {
    work: Option<Work<T>>,
    /// The node's, while the connection may be a new one that nobody will ask (rule C4).
    replayed: Arc<Replayed>,
}

impl<T: Send + 'static> ToTheEnd<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, node: &Node) -> Self {
        Self {
            work: Some(Box::pin(work)),
            replayed: Arc::clone(&node.replayed),
        }
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        // Without a runtime its connections are dead as well.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let opaque = self.replayed.opaque();
            runtime.spawn(async move {
                drop(work.await);
                drop(opaque);
            });
        }
    }
}
