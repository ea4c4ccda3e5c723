//! Decisions without a statement behind them: for `explain`, and for the benches.

use std::sync::Arc;

use super::{Attempt, Overrides};
#[cfg(feature = "bench")]
use super::{NextMove, classify};
#[cfg(feature = "bench")]
use crate::node::Lease;
use crate::{
    cluster::shared::Shared,
    intent::{Classification, Verdict},
    route::{Decision, NotSent},
    vocabulary::{Reason, Role},
};

/// Where a statement with this verdict would go now; nothing is counted and nothing is held.
pub(crate) fn preview(
    shared: &Arc<Shared>,
    overrides: &Overrides,
    verdict: &Verdict,
) -> (Result<String, NotSent>, Option<Role>, Reason) {
    let classification = Classification::new(verdict.intent(), verdict.reason());
    let snapshot = shared.snapshot.load();
    match Attempt::new(shared, overrides, classification, None).unshadowed(&snapshot) {
        Decision::Go { index, reason } => {
            let node = &snapshot.view.nodes()[index];
            (Ok(node.name.to_string()), Some(node.role), reason)
        }
        Decision::Wait => (
            Err(NotSent::Waits {
                nodes: snapshot.describe(),
            }),
            None,
            verdict.reason(),
        ),
        Decision::Refuse(refusal) => (Err(refusal.into()), None, verdict.reason()),
    }
}

/// One decision for a query of this text, and the lease it gives.
#[cfg(feature = "bench")]
pub(crate) fn decide_once(shared: &Arc<Shared>, overrides: &Overrides, sql: &str) -> Option<Lease> {
    match Attempt::new(
        shared,
        overrides,
        classify(shared, overrides, sql),
        Some(sql),
    )
    .decide()
    {
        NextMove::Go(lease) => Some(lease),
        NextMove::Wait | NextMove::Stale | NextMove::Paused | NextMove::Refuse(_) => None,
    }
}
