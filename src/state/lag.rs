//! How far a replica may be behind, on this process's own clock (T11).
//!
//! The primary's positions are kept with the moments at which they were asked for. A replica that has replayed one of
//! them has everything that was written before that moment, so the time since is an upper bound of its lag: no server's
//! clock is asked, an idle primary makes nobody late, and a replica that stands still falls behind by itself. The
//! servers' own figures were rejected: they go on growing while nothing is written, and vanish when replay is paused.

use std::collections::VecDeque;
use std::time::Duration;

use super::step::Step;
use super::{Moment, NodeState, ProbeFacts, State};
use crate::vocabulary::Role;

/// Enough for four minutes of one question a second; a replica that is further behind keeps its last moment.
const REMEMBERED: usize = 256;

/// Between two probes of a replica whose lag cannot be told yet: the primary's first position was not replayed there.
const UNPROVEN_EVERY: Duration = Duration::from_millis(20);

/// What the primary said of itself, and when it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The primary's positions, the newest last.
    positions: VecDeque<(u64, Moment)>,
    /// Of how many transactions it knew when all of them had ended. A position alone makes the replicas of an idle
    /// primary late: what a read logs that prunes a page and then fails it sends with the next commit or after some 20 s,
    /// and until then none of them comes to its position.
    ended: Option<(u64, Moment)>,
}

impl History {
    /// The primary, asked at that moment, had come so far.
    pub(super) fn note(&mut self, position: u64, asked: Moment) {
        match self.positions.back_mut() {
            Some((last, at)) if *last == position => *at = (*at).max(asked),
            Some((last, _)) if *last > position => {}
            _ => {
                if self.positions.len() == REMEMBERED {
                    self.positions.pop_front();
                }
                self.positions.push_back((position, asked));
            }
        }
    }

    /// The primary, asked at that moment, had so many transactions behind it, or one of them was still open.
    pub(super) fn note_ended(&mut self, ended: Option<u64>, asked: Moment) {
        if let Some(ended) = ended
            && self.ended.is_none_or(|(_, at)| at <= asked)
        {
            self.ended = Some((ended, asked));
        }
    }

    /// Since when a standby that says so has everything.
    pub(super) fn complete(&self, standby: &ProbeFacts) -> Option<Moment> {
        let by_position = standby.position.and_then(|position| self.reached(position));
        let by_ended = self
            .ended
            .filter(|(ended, _)| standby.ended >= Some(*ended));
        by_position.max(by_ended.map(|(_, at)| at))
    }

    /// Since when a standby that has come so far has everything.
    pub(super) fn reached(&self, position: u64) -> Option<Moment> {
        let mut known = self.positions.iter().rev();
        let reached = known.find(|(known, _)| *known <= position);
        reached.map(|(_, at)| *at)
    }

    /// The primary's newest position.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.positions.back().map(|(position, _)| *position)
    }

    /// Another primary counts anew.
    pub(super) fn clear(&mut self) {
        self.positions.clear();
        self.ended = None;
    }
}

impl State {
    /// How far a replica has to be now so as not to be too far behind, until the primary is asked the next time; nothing where
    /// any will do, or nobody knows.
    ///
    /// Of one server its age tells that. Of several under one name each connection has to show it (C6).
    pub(crate) fn least_position(&self, now: Moment) -> Option<u64> {
        let limit = self.tuning.max_lag?;
        let until = match self.primaryship.none_since {
            Some(since) => since.min(now),
            None => now.after(self.tuning.check_interval.min(limit)),
        };
        let near = |asked: Moment| until.since(asked) <= limit;
        let known = &self.history.positions;
        let first = known.iter().find(|(_, asked)| near(*asked));
        first.or(known.back()).map(|(position, _)| *position)
    }

    /// Whether the server that answered last for this node is further behind than half the limit, and another one may answer
    /// under the same name.
    pub(super) fn looks_for_another(&self, node: &NodeState, now: Moment) -> bool {
        let near = |limit: Duration| {
            let current_at = node.replay.last_current_at;
            current_at.is_some_and(|at| now.since(at) <= limit / 2)
        };
        let replica = node.role == Role::Replica;
        let knows = self.history.newest().is_some() && self.primaryship.none_since.is_none();
        replica
            && node.replay.several
            && knows
            && self.tuning.max_lag.is_some_and(|limit| !near(limit))
    }

    /// How much of the primary's log this node had not replayed when it was asked last, in bytes, of what the primary had
    /// written then.
    pub(crate) fn bytes_behind(&self, node: &NodeState) -> Option<u64> {
        // One of an older epoch is not measured by the positions of a newer one.
        let other = |own| self.primaryship.epoch.is_some_and(|now| now != own);
        if node.said.epoch.known().is_some_and(other) {
            return None;
        }
        // Numbers of transactions are no bytes.
        let bytes = node.said.writers.is_none();
        let newest = self.history.newest().zip(node.said.position);
        newest
            .filter(|_| bytes)
            .map(|(newest, own)| newest.saturating_sub(own))
    }
}

impl NodeState {
    /// The lag from which it is too far behind. Of several servers under one name each connection is judged by itself, and what is
    /// known of the one that is furthest may be as old as the limit: the name is left alone for as long again.
    fn most_lag(&self, limit: Duration) -> Duration {
        match self.replay.several {
            true => limit * 2,
            false => limit,
        }
    }

    /// An upper bound of its lag at that moment; none where it cannot be told.
    pub(crate) fn lag_at(&self, now: Moment) -> Option<Duration> {
        self.replay.current_at.map(|at| now.since(at))
    }

    /// Whether nobody can say how far behind it is although its position is known.
    pub(super) fn is_unproven(&self) -> bool {
        self.replay.current_at.is_none() && self.said.position.is_some()
    }
}

/// Has the primary asked again while some replica told a position after it was asked last that is beyond what it said.
pub(super) fn ask_who_is_ahead_of(step: &mut Step<'_>) {
    let open = |node: &NodeState| node.replay.unjudged.is_some();
    if let Some(primary) = step.state.primaryship.primary
        && step.state.members().any(open)
    {
        step.ask_probe(primary, step.now.after(UNPROVEN_EVERY));
    }
}

/// Which replicas are too far behind now. One that was comes back below four fifths of the limit, so that it does not
/// come and go.
pub(super) fn update(step: &mut Step<'_>) {
    let Some(limit) = step.state.tuning.max_lag else {
        return;
    };
    // While nobody is known to write, nobody falls behind (R2).
    let known = step.state.history.newest().is_some();
    let now = step
        .state
        .primaryship
        .none_since
        .unwrap_or(step.now)
        .min(step.now);
    for index in 0..step.state.nodes.len() {
        let node = &mut step.state.nodes[index];
        let most = node.most_lag(limit);
        let lagging = match (node.role, node.lag_at(now)) {
            (Role::Replica, Some(lag)) if node.replay.lagging => lag > most * 4 / 5,
            (Role::Replica, Some(lag)) => lag > most,
            (Role::Replica, None) => known && node.is_unproven(),
            (Role::Primary | Role::Unknown | Role::Fenced, _) => false,
        };
        if lagging != node.replay.lagging {
            node.replay.lagging = lagging;
            step.out.publish();
        }
        let (id, again) = (node.id, lagging && node.is_unproven());
        if again {
            step.ask_probe(id, step.now.after(UNPROVEN_EVERY));
        }
    }
}

/// When the next replica will be too far behind, unless it is heard of before.
pub(super) fn next_tick(state: &State) -> Option<Moment> {
    let limit = state.tuning.max_lag?;
    if state.primaryship.none_since.is_some() {
        return None;
    }
    let late =
        |node: &&NodeState| node.is_member() && node.role == Role::Replica && !node.replay.lagging;
    // Beyond the limit, not at it.
    let late_at = |node: &NodeState| {
        let most = node.most_lag(limit) + Duration::from_millis(1);
        node.replay.current_at.map(|at| at.after(most))
    };
    state.nodes.iter().filter(late).filter_map(late_at).min()
}
