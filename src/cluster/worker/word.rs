//! What an authority said of the primary, to this handle or to another one of its clock (rule T3).
//!
//! Handles to one cluster share positions, so they have to agree on whose positions those are. Each hears what any of them
//! was told, and takes the same server as soon as that says here as well that it is the primary. Letting only the handle
//! that was told go on was rejected: the others covered nothing any more, for good where that one was dropped.

use super::Worker;
use crate::{
    causality::{Named, Word},
    cluster::shared::Shared,
    state::Event,
};

impl Worker {
    /// This handle was told.
    pub(super) fn take_word(shared: &Shared, named: Named) {
        let heard = shared.tracker.word();
        let word = shared.clock.take_word(named, heard);
        shared.tracker.set_word(word);
    }

    /// Another one may have been. Until its server is found here, nothing that is asked through this handle covers a write.
    pub(super) async fn obey_word(&mut self, shared: &Shared) {
        let Word { number, named } = *self.words.borrow();
        if number == shared.tracker.word() {
            return;
        }
        if let Some(node) = self.state.named(named) {
            self.dispatch(Event::Told { node }).await;
            // After the picture shows it, so that nobody asks the one before.
            shared.tracker.set_word(number);
        }
    }
}
