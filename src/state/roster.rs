//! Which lists of nodes can be taken: one primary, no server and no name twice.
//!
//! The same check stands before the start and before every replacement, so that no state ever holds two primaries or two
//! pools for one server. A list is refused before anything is changed.

use std::sync::Arc;

use super::NodeSpec;
use crate::error::causes::NodeListProblem;
use crate::vocabulary::Role;

/// Checks a list. A replica that is the primary is left out and returned by name, to be warned about.
pub(crate) fn check(
    nodes: Vec<NodeSpec>,
) -> Result<(Vec<NodeSpec>, Vec<Arc<str>>), NodeListProblem> {
    let mut primary: Option<&NodeSpec> = None;
    for node in &nodes {
        match node.role {
            Role::Primary => {
                if let Some(first) = primary {
                    let (first, second) = (first.name.clone(), node.name.clone());
                    return Err(NodeListProblem::TwoPrimaries { first, second });
                }
                primary = Some(node);
            }
            Role::Replica | Role::Unknown => {}
            role @ Role::Fenced => {
                let name = node.name.clone();
                return Err(NodeListProblem::Role { name, role });
            }
        }
    }
    // It is found out by asking, where the list leaves that open.
    let open = nodes.iter().any(|node| node.role == Role::Unknown);
    let endpoint = match primary {
        Some(primary) => Some(primary.endpoint.clone()),
        None if open => None,
        None => return Err(NodeListProblem::NoPrimary),
    };
    let (nodes, same): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| node.role == Role::Primary || Some(&node.endpoint) != endpoint.as_ref());
    for (index, node) in nodes.iter().enumerate() {
        for earlier in &nodes[..index] {
            if earlier.endpoint == node.endpoint {
                let (first, second) = (earlier.name.clone(), node.name.clone());
                return Err(NodeListProblem::SameNode { first, second });
            }
            if earlier.name == node.name {
                let name = node.name.clone();
                return Err(NodeListProblem::SameName { name });
            }
        }
    }
    Ok((nodes, same.into_iter().map(|node| node.name).collect()))
}
