//! A cluster's state beside an error: of a bounded size, and said in one line.

use std::time::Duration;

use crate::{
    LastSwitch, Report, ReportedNode, Role, error::causes::SeenNode, vocabulary::Ineligible,
};

fn node(name: &str, role: Role) -> ReportedNode {
    ReportedNode::new(SeenNode::new(name, role, None))
}

#[test]
fn a_report_of_many_nodes_has_sixteen_and_the_primary_among_them() {
    let replicas = (0..40).map(|n| node(&format!("db{n}"), Role::Replica));
    let nodes = replicas.chain([node("last", Role::Primary)]);
    let report = Report::default().with_nodes(nodes);
    assert_eq!((report.nodes.len(), report.left_out), (16, 25));
    assert!(report.nodes.iter().any(|node| node.seen.name == "last"));
    assert!(report.to_string().ends_with("; and 25 nodes more"));
}

#[test]
fn a_long_answer_is_cut() {
    let said = "ü".repeat(100_000);
    let seen = SeenNode::new("db1", Role::Replica, None).at("db1:5432".to_owned(), Some(said));
    let report = Report::default().with_nodes(std::iter::once(ReportedNode::new(seen)));
    let text = report.to_string();
    assert!(text.len() < 500, "{} bytes", text.len());
    assert!(text.contains("üü…"), "{text}");
}

#[test]
fn a_report_is_one_line_that_says_what_an_operator_asks() {
    let switch = LastSwitch::new(
        "db2",
        Duration::from_millis(61_500),
        Some(Duration::from_millis(2_250)),
    );
    let behind = SeenNode::new("db3", Role::Replica, Some(Ineligible::TooFarBehind));
    let behind = ReportedNode {
        lag: Some(Duration::from_secs(40)),
        epoch: Some(2),
        in_flight: 3,
        ..ReportedNode::new(behind)
    };
    let report = Report {
        epoch: Some(2),
        without_primary: Some(Duration::from_millis(1_500)),
        last_switch: Some(switch),
        ..Report::default()
    };
    let report = report.with_nodes([node("db1", Role::Unknown), behind].into_iter());
    assert_eq!(
        report.to_string(),
        "no primary for 1.5s; epoch 2; the last switch was to db2, 61.5s before, after 2.25s without a primary; db1 has no \
         known role, 0 in flight; db3 is a replica, too far behind, at most 40s behind, epoch 2, 3 in flight"
    );
}

#[cfg(feature = "serde")]
#[test]
fn a_report_goes_through_json_and_back() {
    let report = Report {
        primary: Some("db1".to_owned()),
        last_switch: Some(LastSwitch::new("db1", Duration::from_secs(5), None)),
        ..Report::default()
    };
    let report = report.with_nodes(std::iter::once(node("db1", Role::Primary)));
    let text = serde_json::to_value(&report).unwrap();
    assert_eq!(text["nodes"][0]["name"], "db1");
    assert_eq!(text["nodes"][0]["role"], "primary");
    assert_eq!(serde_json::from_value::<Report>(text).unwrap(), report);
}
