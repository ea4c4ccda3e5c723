//! The task that looks at a stack of idle connections, as long as there are any.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::IdleStack;

/// Between two looks at what waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Gives the pool what nobody takes, until nothing is left here, and everything once the pool is closed.
pub(super) fn watch_over(idle: Arc<IdleStack>, mut closed: BoxFuture<'static, ()>) {
    let mut watch = StackWatch { idle, ended: false };
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(
        async move {
            loop {
                tokio::select! {
                    () = &mut closed => {
                        watch.idle.close();
                        return;
                    }
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                let (expired, more) = watch.idle.expired(Instant::now());
                drop(expired);
                watch.ended = !more;
                if !more {
                    return;
                }
            }
        }
        .boxed(),
    );
}

/// The watch over a stack. Where it ends with its runtime, the next connection that is kept begins another one.
struct StackWatch {
    idle: Arc<IdleStack>,
    /// The watch has found nothing more, and said so.
    ended: bool,
}

impl Drop for StackWatch {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut stack = self.idle.stack();
        stack.watched = false;
        let left: Vec<_> = stack.idle.drain(..).collect();
        drop(stack);
        // There may be no runtime any more in which the pool could ask them.
        left.into_iter().for_each(|(conn, _)| conn.discard());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{IdleStack, StackWatch};
    use crate::node::PooledConnection;

    fn conn() -> PooledConnection {
        PooledConnection::Adopted(Default::default())
    }

    /// The stack was empty when the watch ended with its runtime: what was kept later was looked at by nobody, and the
    /// pool waited for it when it was closed.
    #[test]
    fn after_a_watch_that_ended_with_its_runtime_the_next_connection_begins_another_one() {
        let idle = Arc::new(IdleStack::default());
        assert!(idle.keep(conn()), "the first one begins the watch");
        assert!(!idle.keep(conn()));
        idle.drain();
        drop(StackWatch {
            idle: Arc::clone(&idle),
            ended: false,
        });
        assert!(idle.keep(conn()));
    }

    #[test]
    fn nothing_is_kept_once_the_pool_is_closed() {
        let idle = IdleStack::default();
        idle.keep(conn());
        idle.close();
        assert_eq!(idle.len(), 0);
        assert!(!idle.keep(conn()));
        assert_eq!(idle.len(), 0);
    }
}
