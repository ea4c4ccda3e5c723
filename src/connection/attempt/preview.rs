//! Decisions without a statement behind them: for `explain`, for what is no statement, and for the benches.

use std::sync::Arc;

use sea_orm::DatabaseConnection;

use super::Attempt;
#[cfg(feature = "bench")]
use super::NextMove;
use crate::{
    cluster::shared::Shared,
    connection::RoutedConnection,
    error::Error,
    intent::Verdict,
    node::Lease,
    route::{Ask, Decision, NotSent, Route},
    vocabulary::{Intent, Reason, Role},
};

impl RoutedConnection {
    /// Where a statement with this verdict would go now; nothing is counted and nothing is held.
    pub(crate) fn preview(
        &self,
        shared: &Arc<Shared>,
        verdict: &Verdict,
    ) -> (Result<String, NotSent>, Option<Role>, Reason) {
        let ask = Ask::Statement {
            intent: verdict.intent(),
            reason: verdict.reason(),
        };
        let snapshot = shared.snapshot.load();
        match Attempt::new(shared, &self.scope, ask).question(&snapshot) {
            Decision::Go(Route { index, reason }) => {
                let node = &snapshot.view.nodes()[index];
                (Ok(node.name.to_string()), Some(node.role), reason)
            }
            Decision::Stay(reason) => (Ok("the transaction's node".to_owned()), None, reason),
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
    pub(crate) fn decide_once(&self, sql: &str) -> Option<Lease> {
        let shared = self.shared().ok()?;
        match Attempt::statement(shared, self, sql, false).decide() {
            NextMove::Go(lease) => Some(lease),
            NextMove::Wait | NextMove::Stale | NextMove::Paused | NextMove::Refuse(_) => None,
        }
    }

    /// A lease on the primary, for what is not a statement.
    pub(in crate::connection) fn lease_primary(&self) -> Result<Lease, Error> {
        let shared = self.shared()?;
        let snapshot = shared.snapshot.load();
        let primary = snapshot.primary().ok_or_else(|| Error::NoPrimary {
            waited: std::time::Duration::ZERO,
            limit: None,
            sent: false,
            source: None,
            nodes: snapshot.describe(),
        })?;
        let seat = primary.seat();
        Ok(Lease::take(
            seat,
            Role::Primary,
            Intent::Primary,
            Reason::PrimaryOnly,
        ))
    }

    /// Asks the primary's connection something that sends nothing.
    pub(in crate::connection) fn with_primary<T>(
        &self,
        ask: impl FnOnce(&DatabaseConnection) -> T,
    ) -> Option<T> {
        let shared = self.shared().ok()?;
        Some(ask(shared.snapshot.primary_node()?.link.connection()))
    }
}
