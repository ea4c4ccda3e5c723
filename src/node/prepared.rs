//! What connections have prepared, and what becomes of it when the schema changes.
//!
//! A statement is prepared once for a connection. When a column is added to its table, PostgreSQL refuses it on that
//! connection from then on, and the driver goes on to send it: nobody forgets it there. So when one connection was refused,
//! it forgets what it had prepared, and so do those that nobody has. To open all of them anew was rejected: a new release
//! changes the schema under every process at one time, and each of their connections would be a new one.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt;

use super::{Line, Node, NodePool, PooledConnection};

/// When the connections are looked at: at once, and when those have come back that were refused in a stream or in a
/// transaction, which nobody can take out of there.
const ROUNDS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
];

/// How often a connection is looked for that its permit says is free: it may be on its way back.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Node {
    /// Lets the connections that nobody has forget what they have prepared, in the background.
    pub(crate) fn forget_prepared(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.forgetting.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let node = Arc::clone(self);
        runtime.spawn(
            async move {
                let wanted = &node.forgetting;
                loop {
                    let seen = wanted.load(Ordering::Acquire);
                    for pause in ROUNDS {
                        tokio::time::sleep(pause).await;
                        node.forget_each().await;
                    }
                    let done =
                        wanted.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire);
                    if done.is_ok() {
                        return;
                    }
                }
            }
            .boxed(),
        );
    }

    /// One connection at a time, so that statements find the others, and with a permit as everybody: where all of them
    /// are in use all the time none would ever be found idle. The first in the pool is the one that was idle longest,
    /// so that this comes round.
    async fn forget_each(&self) {
        // One that is used again at once would never come round.
        let _waits = self.wait_for_pool();
        self.give_all_to_pool();
        let size = self.link.pool_size().map_or(0, |pool| pool.size);
        for _ in 0..size {
            let _permit = self.take_permit(Line::default()).await;
            for _ in 0..LOOKS {
                if self.link.is_closed() {
                    return;
                }
                if let Some(conn) = self.link.idle() {
                    // Where it cannot it is thrown away.
                    drop(conn.forgetting().await);
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

impl NodePool {
    /// A connection that nobody has; none of a server that prepares anew by itself.
    fn idle(&self) -> Option<PooledConnection> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => pool
                .try_acquire()
                .map(|conn| PooledConnection::Postgres(conn, None)),
            _ => None,
        }
    }
}
