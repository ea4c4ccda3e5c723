//! Work that must not stop half way, whoever stops waiting for it.
//!
//! sqlx 0.9 does not know of a transaction before the answer to its BEGIN. A `begin` that is dropped before gives the
//! connection back with the transaction open, and whatever the next ones write on it is acknowledged and never
//! committed. So the rest is done by a task, which then drops the transaction as any other. A COMMIT that is dropped may
//! have reached its server, and only its answer tells what became of it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio::runtime::Handle;

type BoxedWork<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs as it is polled; dropped before its end, it goes on in a task.
pub(crate) struct FinishInBackground<T, L, G>
where
    T: Send + 'static,
    L: FnOnce() -> G + Unpin,
    G: Send + 'static,
{
    work: Option<BoxedWork<T>>,
    leave: Option<L>,
}

impl<T, L, G> FinishInBackground<T, L, G>
where
    T: Send + 'static,
    L: FnOnce() -> G + Unpin,
    G: Send + 'static,
{
    /// `leave` is called when the caller is gone; what it gives is held until the work is done.
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static, leave: L) -> Self {
        Self {
            work: Some(Box::pin(work)),
            leave: Some(leave),
        }
    }
}

impl<T, L, G> Future for FinishInBackground<T, L, G>
where
    T: Send + 'static,
    L: FnOnce() -> G + Unpin,
    G: Send + 'static,
{
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

impl<T, L, G> Drop for FinishInBackground<T, L, G>
where
    T: Send + 'static,
    L: FnOnce() -> G + Unpin,
    G: Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime its connections are dead as well.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let held = self.leave.take().map(|leave| leave());
            runtime.spawn(
                async move {
                    drop(work.await);
                    drop(held);
                }
                .boxed(),
            );
        }
    }
}
