//! One event in, the next state and its effects out.
//!
//! A function of its arguments and of nothing else. Each kind of event is a transition in a file of its own; this one
//! only dispatches and settles whether a snapshot is due.

use fastrand::Rng;

use super::step::Step;
use super::{
    Effect, Event, Moment, Outbox, State, catalog, checks, crash, health, lag, members, pace,
    pools, primaryship, primaryship::pending_word, probe, sleep, stalls,
};

/// Applies one event. The effects are to be carried out in their order.
#[must_use = "the effects are what is to be done"]
pub(crate) fn reduce(state: &mut State, event: Event, now: Moment, rng: &mut Rng) -> Vec<Effect> {
    let mut step = Step {
        state,
        now,
        rng,
        out: Outbox::default(),
    };
    if step.state.sleeping.asleep && !sleep::is_heard_asleep(&event) {
        return Vec::new();
    }
    let wakes = step.state.sleeping.asleep && matches!(event, Event::Woken(_));
    let probe_ends = event.probe_ends();
    transition(&mut step, event);
    if step.state.sleeping.asleep {
        return step.finish();
    }
    primaryship::settle(&mut step);
    for probe in probe_ends.iter().filter(|probe| probe.moved) {
        probe::moved(&mut step, probe.node);
    }
    lag::update(&mut step);
    lag::ask_who_is_ahead_of(&mut step);
    for probe in &probe_ends {
        if probe.answered {
            pools::answered(&mut step, probe.node);
        }
        catalog::answered(&mut step);
        checks::ended(&mut step, probe.node, probe.begun);
    }
    pending_word::settle(&mut step);
    if wakes {
        sleep::tell_awake(&mut step);
    }
    step.tell_rotation();
    step.finish()
}

fn transition(step: &mut Step<'_>, event: Event) {
    match event {
        Event::Failed {
            node,
            generation,
            stage,
            signal,
            ran,
        } => {
            let report = health::FailureReport { stage, signal, ran };
            health::failed(step, node, generation, report);
        }
        event @ (Event::ProbeOk { .. } | Event::ProbeFailed { .. }) => {
            probe::ended(step, event);
        }
        Event::Tick => {
            health::tick(step);
            crash::tick(step);
            members::tick(step);
            catalog::tick(step);
            // After those who come back with this tick: one that fell silent before is due at once.
            health::end_what_waits(step);
        }
        Event::Drain { node } => members::drain(step, node),
        Event::Resume { node } => members::resume(step, node),
        Event::Replace { ticket, nodes } => members::replace(step, ticket, nodes),
        Event::Warmed { node } => members::warmed(step, node),
        Event::WarmFailed { node, signal } => members::warm_failed(step, node, signal),
        Event::DrainedOut { node } => members::drained_out(step, node),
        Event::Waiters(waits) => probe::waiters(step, waits),
        Event::Progress(counted) => stalls::look(step, &counted),
        Event::Served(served) => pace::compare(step, &served),
        Event::Sleep => sleep::fall_asleep(step),
        Event::Woken(answers) => sleep::wake(step, answers),
        Event::AskAll => step.ask_everyone(),
        Event::Refresh => {
            step.ask_everyone();
            step.ask_the_ejected();
        }
        Event::Ahead { node, epoch } => step.met_primary(node, epoch),
        Event::Strays { node } => step.strays(node),
        Event::Check { ticket, node } => checks::ask(step, ticket, node),
        Event::Pool {
            node,
            generation,
            news,
        } => pools::news(step, node, generation, news),
        Event::Catalog(news) => catalog::news(step, news),
        Event::Moved { node } => probe::moved(step, node),
        Event::Promoted { node } => step.take_word(node),
        Event::Accept { node } => step.force_primary(node),
        Event::Told { word, heard } => pending_word::take(step, word, heard),
    }
}
