//! What a topology can do, by who is what in it.

use crate::{HealthState, Ineligible, NodeStatus, Role, Topology, vocabulary::NodeId};

fn node(name: &str, role: Role, ineligible: Option<Ineligible>, in_doubt: bool) -> NodeStatus {
    NodeStatus {
        id: NodeId(0),
        name: name.to_owned(),
        host: String::new(),
        zone: None,
        tags: Vec::new(),
        role,
        epoch: None,
        flavour: None,
        lag: None,
        lag_bytes: None,
        ineligible,
        in_doubt,
        in_flight: 0,
        connections: 0,
        generation: 0,
    }
}

fn of(nodes: Vec<NodeStatus>) -> Topology {
    Topology {
        nodes,
        ..Topology::default()
    }
}

#[test]
fn a_primary_in_doubt_takes_no_writes_and_a_replica_that_serves_nothing_no_reads() {
    let primary = |in_doubt| node("p", Role::Primary, None, in_doubt);
    let replica = |why| node("r", Role::Replica, why, false);
    let lagging = Some(Ineligible::TooFarBehind);
    for (nodes, expected) in [
        (
            vec![primary(false)],
            "ready: p takes writes, there are no replicas",
        ),
        (
            vec![primary(false), replica(lagging)],
            "ready: p takes writes, 0 of 1 other node serves reads",
        ),
        (
            vec![primary(true), replica(None), replica(lagging)],
            "read_only: no node takes writes, 1 of 3 serve reads; ",
        ),
        (
            vec![primary(true), replica(lagging)],
            "down: no node serves; ",
        ),
        (
            vec![node("p", Role::Fenced, Some(Ineligible::Fenced), false)],
            "down: no node serves; p is fenced",
        ),
        (vec![], "down: the handle is not connected to a database"),
    ] {
        let health = of(nodes).health().to_string();
        assert!(health.starts_with(expected), "{health}");
    }
}

#[test]
fn a_cluster_that_sleeps_is_ready() {
    let mut topology = of(vec![node("p", Role::Primary, None, false)]);
    topology.asleep = true;
    assert_eq!(topology.health().state, HealthState::Ready);
}
