//! One event in, the next state and its effects out.
//!
//! A function of its arguments and of nothing else. Each kind of event is a transition in a file of its own; this one
//! only dispatches and settles whether a snapshot is due.

use fastrand::Rng;

use super::{
    Effect, Event, Moment, Outbox, State, crash, health, lag, members, primaryship, probe,
};

/// What one transition needs besides its event.
pub(super) struct Step<'s> {
    pub(super) state: &'s mut State,
    pub(super) now: Moment,
    pub(super) rng: &'s mut Rng,
    pub(super) out: Outbox,
}

/// Applies one event. The effects are to be carried out in their order.
#[must_use = "the effects are what is to be done"]
pub(crate) fn reduce(state: &mut State, event: Event, now: Moment, rng: &mut Rng) -> Vec<Effect> {
    let mut step = Step {
        state,
        now,
        rng,
        out: Outbox::default(),
    };
    match event {
        Event::Failed {
            node,
            generation,
            stage,
            signal,
            ran,
        } => {
            let report = health::Report { stage, signal, ran };
            health::failed(&mut step, node, generation, report);
        }
        Event::ProbeOk {
            node,
            begun,
            rtt,
            facts,
        } => {
            probe::succeeded(&mut step, node, begun, rtt, facts);
        }
        Event::ProbeFailed {
            node,
            begun,
            signal,
        } => {
            probe::failed(&mut step, node, begun, signal);
        }
        Event::Tick => {
            health::tick(&mut step);
            crash::tick(&mut step);
            members::tick(&mut step);
            // After those who come back with this tick: one that fell silent before is due at once.
            health::end_what_waits(&mut step);
        }
        Event::Drain { node } => members::drain(&mut step, node),
        Event::Resume { node } => members::resume(&mut step, node),
        Event::Replace { ticket, nodes } => members::replace(&mut step, ticket, nodes),
        Event::Warmed { node } => members::warmed(&mut step, node),
        Event::WarmFailed { node, signal } => members::warm_failed(&mut step, node, signal),
        Event::DrainedOut { node } => members::drained_out(&mut step, node),
        Event::Wanted(wanted) => probe::wanted(&mut step, wanted),
        Event::AskAll => step.ask_everyone(),
        Event::Moved { node } => probe::moved(&mut step, node),
        Event::Promoted { node } => step.take_word(node),
        Event::Accept { node } => {
            if step.accept_word(node) {
                step.begin_positions(node);
            }
        }
        Event::Told { node } => {
            step.accept_word(node);
        }
    }
    primaryship::settle(&mut step);
    lag::settle(&mut step);
    step.tell_rotation();
    step.finish()
}

impl Step<'_> {
    pub(super) fn finish(self) -> Vec<Effect> {
        let (effects, publishes) = self.out.close();
        if publishes {
            self.state.version += 1;
        }
        effects
    }
}
