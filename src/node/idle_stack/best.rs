//! The connection that serves a read of a node of several servers best (rule C6).

use std::time::Instant;

use super::{IdleStack, Node, PooledConnection};
use crate::causality::{Promise, ServerNeed};

impl IdleStack {
    /// The connection that promises most, and of those the one that was used last; where there are others than these, with all
    /// that promise nothing instead.
    fn take_best(
        &self,
        has_others: bool,
        promise: impl Fn(&PooledConnection) -> Promise,
    ) -> (Option<PooledConnection>, Vec<PooledConnection>) {
        let mut stack = self.stack();
        let mut best: Option<(usize, Promise)> = None;
        for (at, (conn, _)) in stack.idle.iter().enumerate().rev() {
            let promised = promise(conn);
            if best.is_none_or(|(_, best)| promised > best) {
                best = Some((at, promised));
            }
            if promised == Promise::Covers {
                break;
            }
        }
        match best {
            Some((_, Promise::Behind)) if has_others => {
                let behind = stack.idle.drain(..).map(|(conn, _)| conn);
                (None, behind.collect())
            }
            best => (best.map(|(at, _)| stack.idle.remove(at).0), Vec::new()),
        }
    }
}

impl Node {
    /// Of a node of several servers, for whoever has a permit: a connection whose server is known to meet these needs, else
    /// one that may be worth a question. Those that are known to be behind go to the pool where that has others: to hand
    /// them out again was rejected, since they hid all those from each read that the pool had.
    pub(crate) fn take_idle_for(&self, need: ServerNeed) -> Option<PooledConnection> {
        let idle = self.idle()?;
        self.link.leads_home().ok()?;
        let (now, has_others) = (Instant::now(), self.link.pool_has_idle());
        let (best, behind) = self.replayed.with_servers(|servers| {
            idle.take_best(has_others, |conn| servers.suits(conn.led_to(), need, now))
        });
        drop(behind);
        best
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sea_orm::DatabaseConnection;

    use super::{IdleStack, PooledConnection, Promise};

    /// What connections promise, from the one that was used last.
    fn stack(promises: &[Promise]) -> (IdleStack, impl Fn(&PooledConnection) -> Promise) {
        let stack = IdleStack::default();
        for _ in promises {
            stack.keep(PooledConnection::Adopted(
                DatabaseConnection::default().into(),
            ));
        }
        let (promises, asked) = (promises.to_vec(), Cell::new(0));
        let promise = move |_: &PooledConnection| {
            asked.set(asked.get() + 1);
            promises[asked.get() - 1]
        };
        (stack, promise)
    }

    #[test]
    fn one_that_is_known_to_be_far_enough_is_taken_and_the_others_stay() {
        for has_others in [false, true] {
            let (stack, promise) = stack(&[Promise::Behind, Promise::Unknown, Promise::Covers]);
            let (taken, behind) = stack.take_best(has_others, promise);
            assert!(taken.is_some() && behind.is_empty());
            assert_eq!(stack.len(), 2);
        }
    }

    #[test]
    fn those_that_are_behind_make_way_for_what_the_pool_has() {
        let (stack, promise) = stack(&[Promise::Behind, Promise::Behind]);
        let (taken, behind) = stack.take_best(true, promise);
        assert!(taken.is_none());
        assert_eq!((behind.len(), stack.len()), (2, 0));
    }

    #[test]
    fn one_that_is_behind_is_taken_where_there_is_no_other() {
        let (stack, promise) = stack(&[Promise::Behind, Promise::Behind]);
        let (taken, behind) = stack.take_best(false, promise);
        assert!(taken.is_some() && behind.is_empty());
        assert_eq!(stack.len(), 1);
    }
}
