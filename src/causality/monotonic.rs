//! Reads that must not be undone by a later one (rule C9, `monotonic`).
//!
//! A read on a replica has seen at most what that server had replayed when it returned. How far that was tells only a
//! position that was sampled later in the same incarnation of the server: one sampled before, or after a crash, may lie
//! below. It is told by the connection that samples: that was open before the read and answered after it, so the server
//! did not begin anew in between. Until there is such a sample, the session stays on that server or uses the primary;
//! and it stays only while no connection was opened there since, because that one may belong to a new incarnation.

use std::{sync::Arc, time::Instant};

use super::Replayed;

/// A read on a replica.
#[derive(Clone, Debug)]
pub(crate) struct ObservedRead {
    pub(super) replayed: Arc<Replayed>,
    pub(super) connection: u64,
    opened: u64,
    pub(super) returned: Instant,
}

/// Where a session may read, whose earlier reads no position covers yet.
#[derive(Clone, Debug)]
pub(crate) enum ReadAffinity {
    /// Wherever its position allows.
    No,
    /// There, if its position allows; else on the primary.
    To(Arc<Replayed>),
    /// Only on the primary.
    Primary,
}

impl ReadAffinity {
    /// An affinity that meets both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, bound) | (bound, Self::No) => bound,
            (Self::To(one), Self::To(other)) if Arc::ptr_eq(&one, &other) => Self::To(one),
            _ => Self::Primary,
        }
    }
}

impl ObservedRead {
    /// A read that is about to be sent there.
    pub(crate) fn begin(replayed: &Arc<Replayed>) -> Self {
        Self {
            connection: replayed.poller_openings(),
            opened: replayed.openings(),
            replayed: Arc::clone(replayed),
            returned: Instant::now(),
        }
    }

    /// Whether this is the same read.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.replayed, &other.replayed) && self.returned == other.returned
    }

    /// Whether the server that served it is the one that would serve the next.
    pub(super) fn is_here(&self) -> bool {
        self.opened == self.replayed.openings()
            && self.connection == self.replayed.poller_openings()
            && !self.replayed.is_mixed()
    }
}
