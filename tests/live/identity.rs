//! Whose server a connection leads to: names that move, and several servers behind one name (rules C4, C6).

mod balanced;
mod clocks;
mod moved;
mod strings;
mod swapped;

use sealane_harness::Cluster;

use crate::place::own_cluster;

/// A primary and a standby, and no other cluster is theirs.
fn cluster() -> Cluster {
    own_cluster(1)
}
