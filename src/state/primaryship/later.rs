//! A primary of a later epoch that no node has claimed to be: those that follow it tell of it, and a connection may lead to
//! it (T3).
//!
//! The primary of before is over with that: nothing is written to it, whether the new one is in the list or not. That it
//! goes on until the new one answers was rejected: the new one may be no node of the list, and then all that was written
//! to the old one was lost, while a process that started anew refused to write there (T14).

use super::claimant::claimed;
use crate::state::step::Step;
use crate::state::{Fact, NodeState, State, WalReceiver};
use crate::vocabulary::NodeId;

/// The greatest epoch of a primary that some node of this cluster has received from, where nobody who answers claims it. A
/// receiver that was only started shows what it asks for: a standby that was promoted for a trial and put back unmended
/// asks the old primary for a timeline that nobody has.
fn followed(state: &State) -> Option<u64> {
    let home = state.primaryship.identity?;
    let follows = |node: &&NodeState| {
        node.said.in_recovery == Fact::Known(true)
            && node.said.receiver == Fact::Known(WalReceiver::Fed)
            && node.said.identity == Fact::Known(home)
            && !node.is_ejected()
    };
    let epochs = state.members().filter(follows);
    let epoch = epochs
        .filter_map(|node| node.said.epoch.known())
        .filter(|epoch| ends_the_primary(state, *epoch))
        .max()?;
    let shown = |node: &NodeState| !node.is_ejected() && claimed(node, state) == Some(epoch);
    (!state.members().any(shown)).then_some(epoch)
}

/// Whether a primary of this epoch ends the one that was accepted. An authority that named that one has decided.
fn ends_the_primary(state: &State, epoch: u64) -> bool {
    let primaryship = &state.primaryship;
    let decided = primaryship.named.is_some() && primaryship.named == primaryship.owner;
    primaryship
        .epoch
        .is_some_and(|accepted| epoch > accepted && !decided)
        && Some(epoch) > primaryship.seen.overruled
}

impl Step<'_> {
    /// Takes in what primary of a later epoch somebody follows.
    pub(super) fn know_of_followed(&mut self) {
        if let Some(epoch) = followed(self.state) {
            self.know_of(epoch);
        }
    }

    /// Nothing of an earlier epoch takes writes from here on.
    fn know_of(&mut self, epoch: u64) {
        let seen = &mut self.state.primaryship.seen;
        seen.greatest = seen.greatest.max(Some(epoch));
    }

    /// A connection led to a primary of this cluster in this epoch. With `confirmed` that is a word without a witness.
    pub(in crate::state) fn met_primary(&mut self, behind: NodeId, epoch: u64) {
        // What leaves the list may become what it likes.
        if !self.state.node(behind).is_some_and(NodeState::is_member) {
            return;
        }
        if !self.state.tuning.failover.confirmed && ends_the_primary(self.state, epoch) {
            self.know_of(epoch);
        }
        self.ask_everyone();
    }
}
