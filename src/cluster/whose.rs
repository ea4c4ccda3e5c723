//! Which cluster a handle leads to, for what the whole process shares about it (rule C8).

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::{
    causality::Whose,
    config::Config,
    state::{NodeState, State},
    vocabulary::Role,
};

/// As its servers say, whatever name they were reached by; a server that is fenced is none of it.
pub(super) fn whose(state: &State, config: &Config) -> Whose {
    let members = || state.members().filter(|node| node.role != Role::Fenced);
    let system = state.primaryship.identity;
    let system = system.or_else(|| members().find_map(|node| node.said.identity.known()));
    let is_ours = |node: &&NodeState| node.probe.seen && node.said.identity.known() == system;
    // What does not tell when it was started is known by its address.
    let by_address = |node: &NodeState| {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(&node.spec.endpoint)
    };
    let server = |node: &NodeState| node.said.started.unwrap_or_else(|| by_address(node));
    Whose {
        system,
        servers: match system {
            Some(_) => members().filter(is_ours).map(server).collect(),
            None => Vec::new(),
        },
        name: format!(
            "{} {}",
            config.primary.url.backend().as_str(),
            config.primary.endpoint()
        ),
    }
}
