//! What ends a stream when its node is given up (rule T7).

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use super::{Lease, Seat};
use crate::error::Error;

/// Tells when a node is cut off.
pub(crate) struct UntilCut {
    seat: Arc<Seat>,
    waiting: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl UntilCut {
    /// The error of a node that was cut off.
    pub(crate) fn now(&self) -> Option<Error> {
        let cut = self.seat.node.cut.load(Ordering::Acquire);
        let node = || self.seat.node.name.to_string();
        cut.then(|| Error::CutOff { node: node() })
    }

    /// Returns when it is.
    pub(crate) async fn wait(self) {
        self.waiting.await;
    }

    /// Polls whether the node was cut off, and wakes whoever waits for rows when it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let waiting = self.waiting.as_mut().poll(cx);
        match (self.now(), waiting) {
            (Some(err), _) => Poll::Ready(err),
            (None, _) => Poll::Pending,
        }
    }
}

impl Lease {
    /// The end of what is read from this node, for a stream; holds no lease, so it may be held beside one.
    pub(crate) fn until_cut(&self) -> UntilCut {
        let seat = Arc::clone(&self.seat);
        UntilCut {
            seat: Arc::clone(&seat),
            waiting: Box::pin(async move { seat.until_cut().await }),
        }
    }
}
