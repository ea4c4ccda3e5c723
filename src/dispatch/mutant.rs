//! The mutant `check_inside_read`: a read takes its snapshot before its node's position is looked at, as one does who
//! asks for both in one statement (see [`mutants`]).
//!
//! It stands at the edge of the loop, and in an ordinary build nothing is left of it.

use std::time::{Duration, Instant};

use super::{Attempt, freshness::CHECKED_INSIDE};
use crate::{causality::ReadRequirement, mutants, node::Lease, vocabulary::Role};

impl Attempt<'_> {
    /// What a statement gave: always. With the mutant, nothing where the node turns out not to be as far as the read
    /// needed; then it is routed anew.
    #[inline(always)]
    pub(crate) async fn unless_refuted<T>(&mut self, lease: &Lease, done: T) -> Option<T> {
        if mutants::lives(CHECKED_INSIDE) && self.was_behind(lease).await {
            return None;
        }
        Some(done)
    }

    async fn was_behind(&mut self, lease: &Lease) -> bool {
        let need = self.freshness.need;
        if lease.role() != Role::Replica || need == ReadRequirement::Nothing {
            return false;
        }
        let mut news = lease.node().replayed.news();
        let returned = Instant::now();
        self.request.shared.tracker.demand.ask();
        let told = news.wait_for(|told| told.is_some_and(|told| told.begun > returned));
        // Whatever comes of it, the position is looked at.
        let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
        let behind = !lease.node().replayed.covers(need);
        if behind {
            self.freshness.take_the_primary();
        }
        behind
    }
}
