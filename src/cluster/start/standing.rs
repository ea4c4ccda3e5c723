//! The line at the start: who is the primary, which replicas serve reads, and why the others do not.

use crate::{
    state::{View, ViewNode},
    vocabulary::{Flavour, Role},
};

/// The picture of the start in one line, for whoever looks first after a deployment.
pub(crate) fn line(view: &View) -> String {
    let epoch = view.epoch.map(|epoch| format!(" (timeline {epoch})"));
    let epoch = epoch.unwrap_or_default();
    let mut parts = Vec::new();
    if let Some(flavour) = view.flavour.filter(|flavour| *flavour != Flavour::Postgres) {
        parts.push(match flavour.row().writes_everywhere {
            true => format!(
                "the servers are {flavour}, each of which takes writes and serves fresh reads"
            ),
            false => format!("the servers are {flavour}"),
        });
    }
    parts.push(match view.primary.and_then(|at| view.nodes().get(at)) {
        Some(primary) => format!("`{}` is the primary{epoch}", primary.name),
        None => format!("no node is known to be the primary{epoch}, writes wait for one"),
    });
    let others = || {
        view.nodes()
            .iter()
            .filter(|node| node.role != Role::Primary)
    };
    let serving: Vec<String> = others()
        .filter(|node| node.ineligible.is_none())
        .map(|node| format!("`{}`", node.name))
        .collect();
    parts.push(match (serving.is_empty(), view.splits) {
        (false, true) => format!("reads go to {}", serving.join(", ")),
        (true, true) => "no replica serves reads, the primary does".to_owned(),
        (_, false) => "reads are not split".to_owned(),
    });
    parts.extend(others().filter_map(left_out));
    parts.join("; ")
}

fn left_out(node: &ViewNode) -> Option<String> {
    let why = node.ineligible?;
    Some(format!("`{}` serves no reads: {why}", node.name))
}
