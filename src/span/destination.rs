//! Where a statement went last, and why.

use std::sync::Arc;

use tracing::Span;

use crate::{
    node::{Lease, Node},
    vocabulary::{Intent, Reason, Role},
};

/// Where a statement went last, and why.
pub(super) struct Destination {
    pub(super) node: Arc<Node>,
    pub(super) role: Role,
    intent: Option<Intent>,
    reason: Reason,
}

impl Destination {
    pub(super) fn of(lease: &Lease, intent: Option<Intent>, reason: Reason) -> Self {
        Self {
            node: Arc::clone(lease.node()),
            role: lease.role(),
            intent,
            reason,
        }
    }

    /// The node's host and port, as configured.
    pub(super) fn peer(&self) -> Option<(String, Option<u16>)> {
        self.node.direct.as_ref()?.url.peer()
    }

    /// Says it in the span.
    pub(super) fn record(&self, span: &Span) {
        span.record("sealane.node", &*self.node.name);
        span.record("sealane.role", self.role.as_str());
        span.record("sealane.intent", self.intent.map(Intent::as_str));
        span.record("sealane.reason", self.reason.as_str());
        if let Some((host, port)) = self.peer() {
            span.record("network.peer.address", host);
            span.record("network.peer.port", port.map(i64::from));
        }
    }
}
