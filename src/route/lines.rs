//! Where a statement may stand in line that finds no permit where it was sent (rule R7).
//!
//! The same rows as in [`route`](super::route), asked for everybody who would do rather than for the best one: what is
//! busy is not broken, and whoever has a permit first may serve it.

use super::{Fresh, RouteRequest, RouteRow, groups, row, spared, tried};
use crate::state::{Candidate, View};
use crate::vocabulary::Reason;

/// A node that would do, by its index in the view, and why it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) index: usize,
    pub(crate) reason: Reason,
}

/// Every node that would do, the preferred ones first. `covers` as for [`route`](super::route). `late`: it has waited
/// long enough for those it would rather have; then others will do too, and at last the primary, among the diverted.
pub(crate) fn lines(
    request: &RouteRequest<'_>,
    view: &View,
    covers: impl Fn(usize) -> bool,
    late: bool,
) -> Vec<Route> {
    let mut lines = Lines {
        request,
        view,
        found: Vec::new(),
    };
    let (reason, strict) = match row(request, view) {
        RouteRow::Refused(_) => return lines.found,
        RouteRow::Primary(reason) => {
            lines.join_primary(reason);
            return lines.found;
        }
        RouteRow::ReplicasOnly => (Reason::Forced, true),
        RouteRow::Read(reason) => (reason, false),
    };
    let fresh = |index| {
        strict || request.fresh == Fresh::Any || view.primary == Some(index) || covers(index)
    };
    // Who insists on replicas does not have the primary, even if it takes part in reads.
    let serves = |index| fresh(index) && !(strict && view.primary == Some(index));
    let all = &*view.replicas.members;
    if !all.is_empty() {
        // Those outside a group only once those inside have let it wait, or where there is nobody inside.
        for group in groups(request, view).all() {
            if late || lines.found.is_empty() {
                lines.join(&group.members, reason, serves);
            }
        }
    }
    if strict || (!lines.found.is_empty() && !late) {
        return lines.found;
    }
    let is_behind = |candidate: &Candidate| !fresh(candidate.index);
    let reason = match lines.found.is_empty() && all.iter().any(is_behind) {
        true => Reason::NotCaughtUp,
        false => Reason::NoReplica,
    };
    lines.join_primary(reason);
    lines.found
}

/// The lines that were found, one for each node.
struct Lines<'a> {
    request: &'a RouteRequest<'a>,
    view: &'a View,
    found: Vec<Route>,
}

impl Lines<'_> {
    fn has(&self, index: usize) -> bool {
        self.found.iter().any(|route| route.index == index)
    }

    /// Whether a statement stays away from this node.
    fn avoids(&self, index: usize) -> bool {
        tried(self.request, self.view, index) || spared(self.request, self.view, index)
    }

    /// The lines of those of them that serve it.
    fn join(&mut self, members: &[Candidate], reason: Reason, serves: impl Fn(usize) -> bool) {
        for &Candidate { index, .. } in members {
            if !self.has(index) && !self.avoids(index) && serves(index) {
                self.found.push(Route { index, reason });
            }
        }
    }

    /// The primary's line, unless it is in doubt and this is a retry.
    fn join_primary(&mut self, reason: Reason) {
        let Some(index) = self.view.primary else {
            return;
        };
        let in_doubt = self.request.retried && self.view.nodes[index].in_doubt;
        if !in_doubt && !self.avoids(index) && !self.has(index) {
            self.found.push(Route { index, reason });
        }
    }
}
