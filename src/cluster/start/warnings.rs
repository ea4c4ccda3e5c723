//! What whoever configured it should know at the start, beside the line that says how each node stands.

use sea_orm::DbBackend;

use super::Starting;
use crate::{
    config::Config,
    state::View,
    vocabulary::{Flavour, Ineligible},
};

impl Starting {
    /// Warns.
    pub(super) fn warn(&self, config: &Config) {
        let view = View::new(&self.state);
        for node in view.nodes() {
            if let Some(why @ Ineligible::Serializable) = node.ineligible {
                tracing::warn!(
                    node = &*node.name,
                    "serves no reads: {why}; {}",
                    why.advice()
                );
            }
        }
        for node in self.state.members() {
            if let (Some(said), set) = (node.said.system.flavour, config.flavour)
                && !matches!(set, Flavour::Auto | Flavour::Pooler)
                && set != said
                && set != Flavour::LogicalSubscriber
            {
                tracing::warn!(
                    node = &*node.spec.name,
                    "SEALANE_FLAVOUR says {set}, and this server says that it is {said}: it is taken for {set}; leave \
                     SEALANE_FLAVOUR out unless that is so"
                );
            }
        }
        let has_servers = config.primary.url.backend() != DbBackend::Sqlite;
        let tells_nothing = (has_servers && !config.may_have_positions())
            || !(self.state.has_positions() || self.state.writes_everywhere());
        if tells_nothing && view.splits && config.pin.is_none() {
            let set = match config.flavour {
                Flavour::Auto | Flavour::Pooler => String::new(),
                set => format!(", as SEALANE_FLAVOUR={set} says"),
            };
            tracing::warn!(
                "nothing tells how far a replica of this server is{set}: reads of a session that wrote stay on the primary, and \
                 without sessions that is the whole process. Set SEALANE_PIN to what no replica is ever further behind, \
                 or give reads that may miss a write sessions of their own"
            );
        }
    }
}
