//! How a worker begins.

use std::collections::HashMap;

use crate::{
    backend::MonitorConnection,
    cluster::nodes::Nodes,
    state::{Effect, State},
    vocabulary::NodeId,
};

/// What the start leaves to the worker.
pub(in crate::cluster) struct Begun {
    pub(in crate::cluster) state: State,
    pub(in crate::cluster) nodes: Nodes,
    /// The connections on which the start has asked them.
    pub(in crate::cluster) wires: HashMap<NodeId, MonitorConnection>,
    /// The reducer's orders that are not carried out yet.
    pub(in crate::cluster) effects: Vec<Effect>,
    /// The catalog was read already.
    pub(in crate::cluster) catalog_read: bool,
}
