//! What a probe's answer teaches: of the server itself, of the primary's history, and of who follows it (T2, T11, C4).
//!
//! Called for each probe that succeeded, before roles are settled; what nobody asked for stays as it was.

use super::diverged;
use super::step::Step;
use super::writers::SaidRole;
use super::{Fact, Moment, NodeState, Notice, ProbeFacts, State, Withheld, node::ServerFacts};
use crate::vocabulary::{NodeId, Role, SystemFacts};

pub(super) fn observe(step: &mut Step<'_>, id: NodeId, begun: Moment, mut facts: ProbeFacts) {
    step.state.read_standing(id, &mut facts);
    let facts = &facts;
    step.state.learn_flavour(id, facts.system.flavour);
    let began_anew = begins_anew(step.state, id, facts);
    note_history(step, id, begun, facts, began_anew);
    let complete = step.state.history.complete(facts);
    let furthest = furthest(step.state, facts);
    let newest = step.state.primaryship.seen.greatest;
    // What is beyond it may be of another history, until the primary is asked again.
    let primary_at = step.state.written_beside(id, facts);
    // That it follows was told before the sleep, or is told by who is the primary now.
    let wakes = step.state.has_just_woken(step.now);
    let primary = step.state.primaryship.primary;
    let Some(node) = step.state.nodes.iter_mut().find(|node| node.id == id) else {
        return;
    };
    let takes_writes = primary == Some(id);
    node.replay.several = facts.several;
    let mut news = began_anew && node.forget_replay();
    let was_in_recovery = node.said.in_recovery;
    news |= node.said.learn(facts, newest);
    node.remember_role(facts);
    if facts.position.is_none() {
        // How far behind it is cannot be told any more, and what was told gets no older by that.
        node.replay.current_at = None;
    }
    let follows = node.said.in_recovery == Fact::Known(true);
    // Whoever follows is of this history again, whatever it claimed before.
    node.fencing.overruled = node.fencing.overruled.filter(|_| !follows);
    // A standby of an older epoch is not measured by the positions of a newer one.
    let older = |own: u64| newest.is_some_and(|newest| own < newest);
    let was_in_doubt = node.replay.unjudged.is_some();
    node.doubt(facts.position.filter(|_| follows), primary_at, step.now);
    let begins_unjudged = node.replay.unjudged.is_some() && !was_in_doubt;
    news |= node.replay.unjudged.is_some() != was_in_doubt;
    let may_follow = facts.standing.is_some() && facts.in_recovery == Fact::Unknown;
    let is_measured = follows || (may_follow && !takes_writes);
    if is_measured && !node.said.epoch.known().is_some_and(older) {
        node.replay.current_at = node.replay.current_at.max(complete).max(furthest);
        node.replay.last_current_at = complete;
    }
    let begins_to_follow = follows && was_in_recovery != node.said.in_recovery;
    let is_named = node.spec.role == Role::Primary && begins_to_follow && !wakes;
    // Where the primary is found by its epoch, whatever the list calls it, a switch-over leaves nothing to correct; and while
    // there is none that is told by itself.
    if is_named && !step.state.finds_primary() {
        step.out.notice(Notice::PrimaryInRecovery { node: id });
    }
    let hides = follows && facts.epoch == Fact::Unknown;
    let withheld = facts.withheld.or(hides.then_some(Withheld::Timeline));
    tell_withheld(step, id, withheld);
    diverged::judge(step, id, begun);
    if begins_unjudged && let Some(primary) = step.state.primaryship.primary {
        step.ask_probe(primary, step.now);
    }
    if news {
        step.out.publish();
    }
}

/// When the primary had written what the server has that is furthest of several.
fn furthest(state: &State, facts: &ProbeFacts) -> Option<Moment> {
    let position = facts.furthest.filter(|_| facts.several)?;
    state.history.reached(position)
}

/// Tells what the node does not say for want of a right, once for each that is worse than what was told.
fn tell_withheld(step: &mut Step<'_>, id: NodeId, withheld: Option<Withheld>) {
    // With one node there is nobody to follow, and nobody who follows.
    let alone = step.state.members().count() == 1;
    if withheld > step.state.primaryship.withheld && !alone {
        step.state.primaryship.withheld = withheld;
        let withheld = withheld.map(|what| Notice::Withheld { node: id, what });
        withheld
            .into_iter()
            .for_each(|notice| step.out.notice(notice));
    }
}

impl ServerFacts {
    /// Takes over what was told; whether that changes what the node is good for.
    fn learn(&mut self, facts: &ProbeFacts, newest: Option<u64>) -> bool {
        let shown = |said: &Self| {
            let flavour = (said.system.flavour, said.system.subscribes);
            (said.epoch, said.receiver, said.serializable, flavour)
        };
        let before = shown(self);
        // Whoever has replayed some of the newest epoch follows it, also where the role may not see whom it follows (T2).
        let reached = facts
            .reached
            .filter(|reached| newest.is_some_and(|newest| *reached >= newest));
        let epoch = match (facts.epoch, reached) {
            (Fact::Unknown, Some(reached)) => Fact::Known(reached),
            (told, _) => told,
        };
        if self.is_over(facts) || facts.standing.is_some() {
            self.epoch = Fact::NotChecked;
        }
        if facts.in_recovery != Fact::NotChecked {
            // Only the standby that is asked now can tell it.
            self.receiver = facts.receiver;
        }
        self.in_recovery.learn(facts.in_recovery);
        (self.standing, self.guess) = (facts.standing, facts.guess);
        self.writers.clone_from(&facts.writers);
        self.identity.learn(facts.identity);
        self.epoch.learn(epoch);
        self.server.learn(facts.server);
        self.started = facts.started.or(self.started);
        self.address = facts.address.or(self.address);
        self.position = facts.position;
        self.serializable = facts.serializable;
        self.system = SystemFacts {
            flavour: facts.system.flavour.or(self.system.flavour),
            ..facts.system
        };
        before != shown(self)
    }

    /// Whether the epoch that was told is none of the server's that answers now: it has been promoted since, or is another
    /// one. A role that lost its rights is told no new one, and the old one would be its claim to be the primary of then.
    ///
    /// What a primary showed that follows now is kept, as what a standby of before its restart received: the server is on
    /// that timeline or on a later one, so it speaks against it and never for it.
    fn is_over(&self, facts: &ProbeFacts) -> bool {
        let is_promoted =
            self.in_recovery == Fact::Known(true) && facts.in_recovery == Fact::Known(false);
        let moved = facts.server != Fact::NotChecked
            && self.server != Fact::NotChecked
            && facts.address != self.address;
        is_promoted || moved
    }
}

impl NodeState {
    /// Keeps what a server without a state of recovery says of its role, for when it says less.
    fn remember_role(&mut self, facts: &ProbeFacts) {
        if facts.standing.is_some() {
            let (in_recovery, guess) = (facts.in_recovery, facts.guess);
            let role = SaidRole { in_recovery, guess };
            self.remembered = facts.address.map(|address| (role, address));
        }
    }

    /// Another server, or one that was started again: what it had before proves nothing (C4). Whether it had another history.
    /// Of several servers the one that answered before is there still, and its lag gets older by itself.
    fn forget_replay(&mut self) -> bool {
        if !self.replay.several {
            self.replay.current_at = None;
        }
        self.replay.followed = None;
        std::mem::take(&mut self.replay.astray)
    }

    /// Notes that a standby's position is beyond all that the primary has told, or that it is not. The first such one stays:
    /// later ones may come whenever the primary is asked.
    fn doubt(&mut self, position: Option<u64>, primary_at: Option<u64>, now: Moment) {
        if position.is_some() && position <= primary_at {
            // The primary is never behind what it has said.
            self.replay.followed = self.said.epoch.known();
        }
        let position = position.filter(|position| {
            let beyond = primary_at.is_some_and(|told| *position > told);
            beyond && !self.has_followed() && !self.replay.astray
        });
        let before = self.replay.unjudged;
        self.replay.unjudged = position.map(|told| before.unwrap_or((told, now)));
    }

    /// Whether the primary was asked after the node had told a position of its epoch, and was not behind that.
    fn has_followed(&self) -> bool {
        self.replay.followed.is_some() && self.replay.followed == self.said.epoch.known()
    }
}

impl State {
    /// Whether epochs tell who the primary is, and not the list.
    fn finds_primary(&self) -> bool {
        self.tuning.failover.enabled && self.primaryship.epoch.is_some()
    }

    /// How far a primary of the same cluster and epoch has said that it had written, as far as one was heard of beside this node.
    fn written_beside(&self, id: NodeId, facts: &ProbeFacts) -> Option<u64> {
        let writes = |node: &&NodeState| {
            node.id != id
                && node.said.in_recovery == Fact::Known(false)
                && node.said.identity == facts.identity
                && facts.epoch.known().is_some()
                && node.said.epoch == facts.epoch
        };
        let told = self.members().filter(writes);
        told.filter_map(|node| node.said.position).max()
    }
}

/// Whether another server answers than before, or the same one, started again.
fn begins_anew(state: &State, id: NodeId, facts: &ProbeFacts) -> bool {
    let before = state.node(id).map(|node| node.said.server);
    facts.server != Fact::NotChecked && before.is_some_and(|before| before != facts.server)
}

/// Where the primary is, its replicas are measured by what it says.
fn note_history(
    step: &mut Step<'_>,
    id: NodeId,
    begun: Moment,
    facts: &ProbeFacts,
    began_anew: bool,
) {
    let state = &mut *step.state;
    if state.primaryship.primary != Some(id) || facts.in_recovery == Fact::Known(true) {
        return;
    }
    let Some(position) = facts.position else {
        // It told one before: what was told then would make all replicas late.
        state.history.clear();
        for node in &mut state.nodes {
            node.replay.current_at = None;
        }
        return;
    };
    let history = &mut state.history;
    if began_anew && Some(position) < history.newest() {
        // It has lost what it had told, by a crash or by a restore, and goes on from there.
        history.clear();
    }
    history.note(position, begun);
    history.note_ended(facts.ended, begun);
    if note_astray(state, position, begun, facts.epoch) {
        step.out.publish();
    }
}

/// No standby is ahead of its primary. One that was when the primary was asked later has another history, also when that
/// one has come past it; it stays so until it begins anew, which it has to. Whether that changes anything.
fn note_astray(state: &mut State, position: u64, begun: Moment, epoch: Fact<u64>) -> bool {
    let mut found = false;
    for node in &mut state.nodes {
        let last = node.said.position.zip(node.probe.ended);
        let told = node.replay.unjudged.or(last);
        let told = told.filter(|(_, ended)| *ended <= begun);
        let follows = node.said.in_recovery == Fact::Known(true)
            && epoch.known().is_some()
            && node.said.epoch == epoch;
        let Some((told, _)) = told.filter(|_| follows) else {
            continue;
        };
        let ahead = told > position;
        found |= (ahead && !node.replay.astray) || node.replay.unjudged.is_some();
        node.replay.astray |= ahead;
        node.replay.unjudged = None;
        if !ahead {
            node.replay.followed = epoch.known();
        }
    }
    found
}
