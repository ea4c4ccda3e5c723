//! Where a statement may stand in line that finds no place where it was sent (rule R7).
//!
//! The same rows as in [`route`](super::route), asked for everybody who would do rather than for the best one: what is
//! busy is not broken, and whoever has a place first may serve it.

use super::{Ask, Forced, Fresh, Request, Route};
use crate::state::View;
use crate::vocabulary::{Intent, Reason};

/// Every node that would do, the preferred ones first. `covers` as for [`route`](super::route). `late`: it has waited
/// long enough for those it would rather have; then others will do too, and at last the primary, among the diverted.
pub(crate) fn lines(
    request: &Request<'_>,
    view: &View,
    covers: impl Fn(usize) -> bool,
    late: bool,
) -> Vec<Route> {
    let mut found = Vec::new();
    if request.in_transaction {
        return found;
    }
    let primary = |found: &mut Vec<Route>, reason| {
        let open = |&index: &usize| {
            let doubted = request.retried && view.nodes[index].in_doubt;
            let barred = super::tried(request, view, index) || super::spared(request, view, index);
            !doubted && !barred
        };
        let index = view.primary.filter(open);
        let index = index.filter(|index| found.iter().all(|route| route.index != *index));
        found.extend(index.map(|index| Route { index, reason }));
    };
    let reason = match (request.forced, request.ask) {
        (Forced::Primary, _) => Err(Reason::Forced),
        (
            _,
            Ask::Statement {
                intent: Intent::Read,
                ..
            },
        ) => Ok(Reason::Replica),
        (_, Ask::BeginReadOnly) => Ok(Reason::ReadOnlyTransaction),
        (_, Ask::Begin) => Err(Reason::Transaction),
        (_, Ask::Statement { reason, .. }) => Err(reason),
    };
    let strict = request.forced == Forced::Replica;
    let reason = match reason {
        Ok(reason) => reason,
        Err(_) if strict => return found,
        Err(reason) => {
            primary(&mut found, reason);
            return found;
        }
    };
    if !view.splits {
        let reason = if strict {
            Reason::Forced
        } else {
            Reason::OnlyPrimary
        };
        primary(&mut found, reason);
        return found;
    }
    if request.fresh == Fresh::Primary && !strict {
        primary(&mut found, Reason::NotCaughtUp);
        return found;
    }
    let fresh = |index| {
        strict || request.fresh == Fresh::Any || view.primary == Some(index) || covers(index)
    };
    let group = if view.replicas.members.is_empty() {
        &[][..]
    } else {
        &view.group(request.zone).members
    };
    // Those outside the group only once those inside have let it wait, or where there is nobody inside.
    for (members, wanted) in [(group, true), (&*view.replicas.members, late)] {
        if !wanted && !found.is_empty() {
            continue;
        }
        for candidate in members {
            let index = candidate.index;
            let known = found.iter().any(|route| route.index == index);
            let barred =
                (strict && view.primary == Some(index)) || super::spared(request, view, index);
            if !known && !barred && !super::tried(request, view, index) && fresh(index) {
                let reason = if strict { Reason::Forced } else { reason };
                found.push(Route { index, reason });
            }
        }
    }
    if strict || (!found.is_empty() && !late) {
        return found;
    }
    let behind = |candidate: &crate::state::Candidate| !fresh(candidate.index);
    let reason = if found.is_empty() && view.replicas.members.iter().any(behind) {
        Reason::NotCaughtUp
    } else {
        Reason::NoReplica
    };
    primary(&mut found, reason);
    found
}
