//! How a worker begins.

use crate::{
    cluster::nodes::Nodes,
    state::{Effect, State},
};

/// What the start leaves to the worker.
pub(in crate::cluster) struct Begun {
    pub(in crate::cluster) state: State,
    pub(in crate::cluster) nodes: Nodes,
    /// The reducer's orders that are not carried out yet.
    pub(in crate::cluster) effects: Vec<Effect>,
    /// The catalog was read already.
    pub(in crate::cluster) catalog_read: bool,
}
