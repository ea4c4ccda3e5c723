//! Whose server a connection leads to: names that move, and several servers behind one name (rules C4, C6).

mod balanced;
mod clocks;
mod moved;
mod strings;
mod swapped;

use sealane_harness::Cluster;

/// A primary and a standby, and no other cluster is theirs.
fn cluster() -> Cluster {
    let cluster = Cluster::builder().standbys(1).own_identity();
    let cluster = cluster.start().unwrap();
    cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}
