//! Whether a server that broke connections without a word has crashed and comes back, or is gone (R5).
//!
//! PostgreSQL ends every session when one of its backends dies, and lets nobody in until it has recovered. It tells the
//! other sessions why in a warning that the driver keeps to itself, so that all of them only break; but whoever connects
//! is told, for as long as the recovery lasts. The backend that died breaks first (16 of 16). So the first statement
//! that broke is suspected of the crash. Suspecting everybody who broke was rejected: a text that runs all the time is
//! always among them, and would be kept from its primary by a fault that is not its own.
//!
//! What is remembered is one text for each node, by its hash, until the node serves again.

mod fate;

use std::time::Duration;

use super::outage::Cause;
use super::step::Step;
use super::{Moment, Notice, Outage, Ran, State};
use crate::signal::Signal;
use crate::vocabulary::{NodeId, Role};

pub(crate) use fate::{Fate, Spares};

/// How long a text is suspected of a crash whose server does not come back: longer than most recoveries, and no text that
/// is innocent is kept from the primary for good.
const MEMORY: Duration = Duration::from_secs(60);

/// A statement failed. Where its connection broke without a word, it may have been the first.
pub(super) fn broke(step: &mut Step<'_>, id: NodeId, generation: u64, signal: Signal, ran: Ran) {
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if signal != Signal::Disconnected || ran == Ran::Nothing {
        return;
    }
    let outage = match &mut node.condition.outage {
        Some(outage) if outage.generation == generation && !outage.over => outage,
        Some(outage) if outage.generation >= generation => return,
        // On a pool that was opened since: its server was back before it was asked.
        outage if generation == node.generation => {
            outage.insert(Outage::new(generation, now, signal))
        }
        _ => return,
    };
    if outage.first == Ran::Nothing {
        outage.first = ran;
        step.out.publish();
    }
    step.ask_if_open(id);
}

/// How long a new connection has to live before it says that nothing died: its server may have to be told that yet, and
/// on a machine that is busy that took longer than to let it in.
const PROOF: Duration = Duration::from_millis(50);

/// A probe has succeeded; whether that is believed. A primary's is at once, because all writes wait for it.
pub(super) fn answered(step: &mut Step<'_>, id: NodeId, begun: Moment) -> bool {
    let now = step.now;
    let Some(node) = step.node_mut(id) else {
        return true;
    };
    let replica = node.role == Role::Replica && node.is_ejected();
    let Some(outage) = &mut node.condition.outage else {
        return true;
    };
    if begun < outage.since || outage.over {
        return true;
    }
    if replica && outage.suspect().is_some() && outage.is_open() && !outage.answered {
        outage.answered = true;
        step.ask_probe(id, now.after(PROOF));
        return false;
    }
    if outage.cause == Cause::Open {
        outage.cause = Cause::Other;
    }
    outage.over = true;
    step.out.publish();
    true
}

/// How long new connections may break off without a word before nothing is suspected, and the time between two of
/// them. A server that ends its sessions ends those that come in meanwhile as well, on a busy machine more than one.
/// What stands before a server that is gone may do so for ever.
const UNTOLD: Duration = Duration::from_millis(250);
const UNTOLD_EVERY: Duration = Duration::from_millis(10);

/// A probe has failed.
pub(super) fn refused(step: &mut Step<'_>, id: NodeId, begun: Moment, signal: Signal) {
    let now = step.now;
    let Some(outage) = step.outage_mut(id) else {
        return;
    };
    if outage.over || outage.cause == Cause::Crash {
        return;
    }
    let before = outage.cause;
    let open = before == Cause::Open;
    let without_a_word = matches!(
        signal,
        Signal::Disconnected | Signal::SessionLost | Signal::Terminated | Signal::Unknown
    );
    if open && without_a_word && begun >= outage.since && now < outage.since.after(UNTOLD) {
        // Ended with the others, perhaps: the next one is told.
        step.ask_probe(id, now.after(UNTOLD_EVERY));
        return;
    }
    outage.cause = match signal {
        // Nobody else says so.
        Signal::Recovering => Cause::Crash,
        // It was well a moment ago. One that was started anew as a whole has refused before.
        Signal::Starting if open => Cause::Crash,
        _ if !open || begun < outage.since => before,
        _ => Cause::Other,
    };
    let (told, waits) = (outage.cause, outage.first != Ran::Nothing);
    if told != before && waits {
        if told == Cause::Crash {
            step.out.notice(Notice::Crashed { node: id });
        }
        step.out.publish();
    }
    step.ask_if_open(id);
}

/// Forgets what had its time.
pub(super) fn tick(step: &mut Step<'_>) {
    for node in &mut step.state.nodes {
        if let Some(outage) = &mut node.condition.outage
            && outage.suspect().is_some()
            && outage.since.after(MEMORY) <= step.now
        {
            outage.over = true;
            step.out.publish();
        }
    }
}

/// When something is to be forgotten.
pub(super) fn next_tick(state: &State) -> Option<Moment> {
    let outages = state.nodes.iter().filter_map(|node| node.condition.outage);
    outages
        .filter(|outage| outage.suspect().is_some())
        .map(|outage| outage.since.after(MEMORY))
        .min()
}

impl Step<'_> {
    fn outage_mut(&mut self, id: NodeId) -> Option<&mut Outage> {
        self.node_mut(id)?.condition.outage.as_mut()
    }

    /// Statements wait for what it says, so it is asked at once, however often it has failed before.
    fn ask_if_open(&mut self, id: NodeId) {
        let now = self.now;
        if self.outage_mut(id).is_some_and(|outage| outage.is_open()) {
            self.ask_probe(id, now);
        }
    }
}

impl Outage {
    /// A server that recovers from a crash.
    #[cfg(test)]
    pub(crate) fn of_crash(since: Moment) -> Self {
        Self {
            generation: 0,
            since,
            cause: Cause::Crash,
            first: Ran::Other,
            over: false,
            answered: false,
        }
    }

    fn is_open(&self) -> bool {
        !self.over && self.cause == Cause::Open
    }
}

impl State {
    /// Whether the next probe of this node has to connect anew: a connection that is open already may be answered by a
    /// server that has not noticed yet that it has crashed, or lead to another server than the node is now, or to one that lags
    /// behind the others of its name.
    #[must_use]
    pub(crate) fn connects_anew(&self, id: NodeId, now: Moment) -> bool {
        let asks = |outage: Outage| outage.is_open() && !outage.answered;
        self.node(id).is_some_and(|node| {
            node.probe.strayed.is_some()
                || node.condition.outage.is_some_and(asks)
                || self.looks_for_another(node, now)
        })
    }
}
