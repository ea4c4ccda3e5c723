//! The first state, what forbids a start (T14), and when the next tick is due.
//!
//! A start fails early for what only its owner can put right: the configured primary is a standby, or is not there.
//! A replica that is not one is fenced with a warning, and one that is down is ejected and probed; neither is a reason.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use thiserror::Error;

use super::crash;
use super::members::comes_back;
use super::roster::check;
use super::step::Step;
use super::{
    CatalogSchedule, Effect, Fact, Membership, Moment, NodeHealth, NodeSpec, NodeState, Notice,
    Outbox, Primaryship, Sleeping, State, Tuning, health, lag,
};
use crate::error::causes::{CannotStart, NodeListProblem, UndecidedPrimary};
use crate::vocabulary::NodeId;

/// In how many steps a re-admitted node's weight grows.
const RAMP_STEPS: u32 = 20;

/// Why a cluster cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum StartProblem {
    /// The list of nodes has none.
    #[error("{}", CannotStart::NoPrimary)]
    NoPrimary,
    /// The list leaves open who it is, and nobody says so.
    #[error("{}", CannotStart::NobodyClaims { limit: None, answers: Vec::new() })]
    NobodyClaims,
    /// Several say so, of different epochs, and nobody knows which one counts.
    #[error("{}", CannotStart::Undecided(.0.clone()))]
    Undecided(UndecidedPrimary),
    /// The node configured as the primary is a standby.
    #[error(
        "node `{name}` is configured as the primary and is in recovery: point DATABASE_URL at the primary, \
         or list this node as a replica"
    )]
    PrimaryInRecovery { name: Arc<str> },
    /// The primary does not answer.
    #[error(
        "the primary `{name}` cannot be reached: start it, or set SEALANE_START_WITHOUT_PRIMARY=true to serve reads \
         without it"
    )]
    PrimaryUnreachable { name: Arc<str> },
}

impl State {
    /// The state before anything was observed. The effects warn of replicas that were left out because they
    /// are the primary, and ask for one probe of every node.
    pub(crate) fn start(
        tuning: Tuning,
        nodes: Vec<NodeSpec>,
        now: Moment,
    ) -> Result<(Self, Vec<Effect>), NodeListProblem> {
        let (nodes, dropped) = check(nodes)?;
        let mut state = Self {
            tuning,
            nodes: Vec::new(),
            version: 1,
            primaryship: Primaryship::default(),
            flavour: None,
            pending_word: None,
            history: lag::History::default(),
            catalog: CatalogSchedule::default(),
            checks: Vec::new(),
            look_at: now,
            sleeping: Sleeping::default(),
            next_id: 0,
            pending: None,
            queue: VecDeque::new(),
        };
        for spec in nodes {
            let id = state.new_id();
            state
                .nodes
                .push(NodeState::new(id, spec, Membership::Member));
        }
        // Until somebody has said otherwise.
        state.primaryship.primary = state.configured();
        state.primaryship.none_since = state.primaryship.primary.is_none().then_some(now);
        let ids: Vec<_> = state.nodes.iter().map(|node| node.id).collect();
        // Nothing is random about a probe at once.
        let mut rng = Rng::with_seed(0);
        let mut step = Step {
            state: &mut state,
            now,
            rng: &mut rng,
            out: Outbox::default(),
        };
        for name in dropped {
            step.out.notice(Notice::SameAsPrimary { name });
        }
        for id in ids {
            step.ask_probe(id, now);
        }
        let effects = step.finish();
        Ok((state, effects))
    }

    /// What forbids the start, after every node has been probed once.
    #[must_use]
    pub(crate) fn start_problem(&self, without_primary: bool) -> Option<StartProblem> {
        if let (Some(why), false) = (self.undecided(), without_primary) {
            return Some(StartProblem::Undecided(why));
        }
        if self.has_other_primary() {
            return None;
        }
        let Some(primary) = self.configured().and_then(|id| self.node(id)) else {
            let open = self.members().next().is_some();
            return match self.primaryship.primary {
                None if !open => Some(StartProblem::NoPrimary),
                None if !without_primary => Some(StartProblem::NobodyClaims),
                _ => None,
            };
        };
        let name = primary.spec.name.clone();
        if primary.said.in_recovery == Fact::Known(true) {
            return Some(StartProblem::PrimaryInRecovery { name });
        }
        (!primary.probe.seen && !without_primary)
            .then_some(StartProblem::PrimaryUnreachable { name })
    }

    /// When to feed [`Event::Tick`](super::Event::Tick) next; none while nothing is under way.
    #[must_use]
    pub(crate) fn next_tick(&self) -> Option<Moment> {
        if self.sleeping.asleep {
            return None;
        }
        let ramp_step = self.tuning.ramp_step();
        let mut next: Option<Moment> = self.pending.as_ref().map(|pending| pending.until);
        let mut at_latest = |moment: Moment| {
            next = Some(next.map_or(moment, |next| next.min(moment)));
        };
        self.confirm_at().map(&mut at_latest);
        lag::next_tick(self).map(&mut at_latest);
        crash::next_tick(self).map(&mut at_latest);
        self.catalog.next_tick().map(&mut at_latest);
        for node in &self.nodes {
            if let NodeHealth::Ramping { since, shown, .. } = node.condition.health {
                at_latest(since.after(ramp_step.saturating_mul(shown + 1)));
            }
            health::verdict_at(node, &self.tuning).map(&mut at_latest);
            if let Some(until) = node.condition.saturated_until {
                at_latest(until);
            }
            if let Membership::Leaving { until } = node.stand
                && !comes_back(self, node.id)
            {
                at_latest(until);
            }
        }
        next
    }

    pub(super) fn new_id(&mut self) -> NodeId {
        let id = NodeId(self.next_id);
        self.next_id += 1;
        id
    }
}

impl Tuning {
    /// How long one step of a ramp takes.
    fn ramp_step(&self) -> Duration {
        (self.ejection.ramp_up / RAMP_STEPS).max(Duration::from_millis(1))
    }

    /// How many of its steps a ramp that began so long ago has behind it; none when it is over. Reckoned with the step
    /// that the next tick is reckoned with, so that a tick at its time always makes progress.
    pub(super) fn ramp_steps(&self, elapsed: Duration) -> Option<u32> {
        if elapsed >= self.ejection.ramp_up {
            return None;
        }
        u32::try_from(elapsed.as_nanos() / self.ramp_step().as_nanos()).ok()
    }

    /// The share of its weight that a node has after so many steps of its ramp, in thousandths. The first step has a
    /// share already, or the node would never be tried.
    pub(super) fn ramp_share(shown: u32) -> u32 {
        (1000 / RAMP_STEPS)
            .saturating_mul(shown.saturating_add(1))
            .min(1000)
    }
}
