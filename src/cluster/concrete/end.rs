//! Ends what the processes of a given-up server are at whose connections were cut (rule C7).
//!
//! A server notices the end of a connection when it is done with the statement, and stores that first.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    backend::activity, causality::unresolved::Backend, cluster::shared::Shared, config::NodeConfig,
    positions::background_runtime, vocabulary::NodeId,
};

/// Between two attempts on a server that does not answer (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

/// What to do about a node next.
enum EndStep {
    Ask,
    /// The node's probes knock at its door, and nobody else (T1).
    Wait,
    /// The node has left, or it was the primary all the time.
    Leave,
}

/// In the background, until the server has heard of it.
pub(super) fn end(
    shared: &Arc<Shared>,
    node: NodeId,
    direct: Arc<NodeConfig>,
    backends: Vec<Backend>,
) {
    let (weak, mut next) = (Arc::downgrade(shared), EndStep::Ask);
    if shared.snapshot.is_ejected(node) {
        next = EndStep::Wait;
    }
    background_runtime::spawn(async move {
        loop {
            match next {
                EndStep::Ask if ask(&weak, &direct, &backends).await => return,
                EndStep::Ask | EndStep::Wait => tokio::time::sleep(PAUSE).await,
                EndStep::Leave => return,
            }
            next = weak
                .upgrade()
                .map_or(EndStep::Leave, |shared| of(node, &shared));
        }
    });
}

/// Whether the server has heard of it.
async fn ask(weak: &Weak<Shared>, direct: &NodeConfig, backends: &[Backend]) -> bool {
    let Some(shared) = weak.upgrade() else {
        return true;
    };
    let limit = shared.config.connect_timeout;
    let asked = activity::end(&shared.config, direct, backends);
    matches!(tokio::time::timeout(limit, asked).await, Ok(Ok(())))
}

fn of(id: NodeId, shared: &Shared) -> EndStep {
    let snapshot = shared.snapshot.load();
    let node = snapshot.view.nodes().iter().find(|node| node.id == id);
    let reigns = snapshot
        .primary()
        .is_some_and(|primary| primary.node.id == id);
    match node {
        Some(_) if reigns || shared.is_closed() => EndStep::Leave,
        Some(node) if node.ejected => EndStep::Wait,
        Some(_) => EndStep::Ask,
        None => EndStep::Leave,
    }
}
