//! Power of two choices: of two random candidates the less loaded one wins (R3).
//!
//! The router asks, with the candidates of the view and what is in flight at each.
//!
//! Load is what is in flight in proportion to the capacity, and capacity is weight over latency,
//! that of checks or of statements, so that it is R3's
//! `in flight × latency / weight`. Of a pair of unlike capacities the greater one counts as several servers of the
//! lesser's size, its statements dealt among them at random; the comparison is then between one of those and the
//! lesser one. Alike capacities compare their plain counts. On a tie the first one drawn wins, and it was drawn by
//! capacity: that is what makes idle nodes get their shares. Comparing `(in flight + 1) / capacity` outright was
//! rejected: while nobody is busy the node with the greater capacity would win every comparison, so that a replica of a
//! third of the weight, or a ramping one, would see no read at all below a few statements in flight.

use fastrand::Rng;

use crate::state::{Candidate, Group};

/// Chooses from the group; nothing if it is empty.
#[inline]
pub(crate) fn pick(
    group: &Group,
    rng: &mut Rng,
    in_flight: impl Fn(usize) -> u32,
) -> Option<usize> {
    match &*group.members {
        [] => None,
        [only] => Some(only.index),
        members => {
            let first = draw(members, group.total, usize::MAX, rng)?;
            let left = group.total - members[first].capacity;
            let Some(second) = draw(members, left, first, rng) else {
                return Some(members[first].index);
            };
            Some(lighter(members[first], members[second], rng, in_flight))
        }
    }
}

/// Chooses from the first group that has anybody but those excluded. For retries and for strict handles: it goes over
/// every candidate, and does not allocate either.
pub(crate) fn pick_but(
    groups: &[&Group],
    rng: &mut Rng,
    in_flight: impl Fn(usize) -> u32,
    excluded: impl Fn(usize) -> bool,
) -> Option<usize> {
    let draw_but = |members: &[Candidate], skip: usize, rng: &mut Rng| {
        let open =
            |&(nth, candidate): &(usize, &Candidate)| nth != skip && !excluded(candidate.index);
        let total: u64 = members
            .iter()
            .enumerate()
            .filter(open)
            .map(|(_, candidate)| candidate.capacity)
            .sum();
        if total == 0 {
            return None;
        }
        let mut point = rng.u64(..total);
        members
            .iter()
            .enumerate()
            .filter(open)
            .find_map(|(nth, candidate)| {
                let hit = point < candidate.capacity;
                point = point.saturating_sub(candidate.capacity);
                hit.then_some(nth)
            })
    };
    for group in groups {
        let Some(first) = draw_but(&group.members, usize::MAX, rng) else {
            continue;
        };
        let one = group.members[first];
        let Some(second) = draw_but(&group.members, first, rng) else {
            return Some(one.index);
        };
        return Some(lighter(one, group.members[second], rng, in_flight));
    }
    None
}

/// The index of one candidate, by capacity; `skip` is not among them, and `total` does not count it.
#[inline]
fn draw(members: &[Candidate], total: u64, skip: usize, rng: &mut Rng) -> Option<usize> {
    if total == 0 {
        return None;
    }
    let mut point = rng.u64(..total);
    for (nth, candidate) in members.iter().enumerate() {
        if nth == skip {
            continue;
        }
        if point < candidate.capacity {
            return Some(nth);
        }
        point -= candidate.capacity;
    }
    None
}

/// The less loaded of two; the first one on a tie.
#[inline]
fn lighter(
    first: Candidate,
    second: Candidate,
    rng: &mut Rng,
    in_flight: impl Fn(usize) -> u32,
) -> usize {
    let unit = first.capacity.min(second.capacity);
    let mut load = |candidate: Candidate| {
        let count = u64::from(in_flight(candidate.index));
        if candidate.capacity == unit || count == 0 {
            return count;
        }
        // Of `capacity / unit` servers, how many statements run on the one that is looked at: rounded down or up at
        // random, so that it is right on average.
        let part = rng.u64(..candidate.capacity);
        (count.saturating_mul(unit) + part) / candidate.capacity
    };
    if load(second) < load(first) {
        second.index
    } else {
        first.index
    }
}
