//! Routing, driven by `route/*.json`: table R row by row, eligibility, and the shares that balance gives.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;
use serde_json::Value;

use super::words::{duration, intent, node, option, reason, scenarios, str_of, tuning};
use crate::intent::Classification;
use crate::route::{
    Decision, Forced, Fresh, Refusal, RouteRequest, Tried, balance,
    lines::{Route, lines},
    route,
};
use crate::state::{
    Fact, Membership, Moment, NodeHealth, NodeState, Outage, Preference, Spares, State, Suspicion,
    Tuning, View, WalReceiver,
};
use crate::vocabulary::{Ineligible, Intent, NodeId, Reason, Role};

const FILES: &[(&str, &str)] = &[
    ("table", include_str!("route/table.json")),
    ("eligible", include_str!("route/eligible.json")),
    ("groups", include_str!("route/groups.json")),
    ("lines", include_str!("route/lines.json")),
];

/// `p primary rtt=1ms`, `r1 replica drained rtt=2ms epoch=3`.
fn state(nodes: &Value, tuned: &Value) -> State {
    let texts: Vec<&str> = nodes
        .as_array()
        .expect("nodes")
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    let specs = texts.iter().map(|text| node(text)).collect();
    let (mut state, _) = State::start(tuning(tuned), specs, Moment::default()).unwrap();
    for text in texts {
        let name = text.split_whitespace().next().unwrap();
        let found = state
            .nodes
            .iter_mut()
            .find(|node| &*node.spec.name == name)
            .unwrap();
        dress(found, text);
    }
    state
}

fn dress(node: &mut NodeState, text: &str) {
    let now = Moment::default();
    let suspicion = |grave| {
        Some(Suspicion {
            since: now,
            held_up: Duration::ZERO,
            grave,
        })
    };
    node.probe.latency = option(text, "rtt").map(duration);
    node.condition.slowness = option(text, "slow").map_or(1, |times| times.parse().expect("times"));
    node.said.epoch = number(text, "epoch");
    node.said.identity = number(text, "identity");
    node.said.receiver = match option(text, "receiving") {
        None => Fact::NotChecked,
        Some("unknown") => Fact::Unknown,
        Some("true") => Fact::Known(WalReceiver::Fed),
        Some("asks") => Fact::Known(WalReceiver::Started),
        Some("hidden") => Fact::Known(WalReceiver::Hidden),
        Some(_) => Fact::Known(WalReceiver::Absent),
    };
    if let Some(shown) = option(text, "ramping") {
        node.condition.health = NodeHealth::Ramping {
            since: now,
            shown: shown.parse().unwrap(),
            relapses: 0,
        };
    }
    for word in text
        .split_whitespace()
        .skip(2)
        .filter(|word| !word.contains('='))
    {
        match word {
            "drained" => node.stand = Membership::Drained,
            "leaving" => node.stand = Membership::Leaving { until: now },
            "joining" => node.stand = Membership::Joining { ready: false },
            "ejected" => {
                node.condition.health = NodeHealth::Ejected {
                    since: now,
                    failures: 1,
                    relapses: 0,
                    dirty: false,
                    silent: false,
                    cut: false,
                };
            }
            "gravely_suspected" => node.condition.suspicion = suspicion(true),
            "suspected" => node.condition.suspicion = suspicion(false),
            "saturated" => node.condition.saturated_until = Some(now),
            "lagging" => {
                node.replay.lagging = true;
                node.replay.current_at = Some(now);
            }
            "unproven" => {
                node.replay.lagging = true;
                node.said.position = Some(1);
            }
            "fenced" => node.role = Role::Fenced,
            "unknown" => node.role = Role::Unknown,
            "crashed" => node.condition.outage = Some(Outage::of_crash(now)),
            other => panic!("no condition `{other}`"),
        }
    }
}

fn number(text: &str, key: &str) -> Fact<u64> {
    match option(text, key) {
        None => Fact::NotChecked,
        Some("unknown") => Fact::Unknown,
        Some(text) => Fact::Known(text.parse().unwrap()),
    }
}

fn request<'a>(ask: &'a Value, view: &View) -> RouteRequest<'a> {
    let word = str_of(ask, "ask");
    let mut tried = Tried::default();
    for name in ask["tried"].as_array().into_iter().flatten() {
        let node = view
            .nodes()
            .iter()
            .find(|node| Some(&*node.name) == name.as_str());
        tried.add(node.unwrap_or_else(|| panic!("no node {name}")).id);
    }
    let number = |key: &str| u32::try_from(ask[key].as_u64().unwrap_or(0)).unwrap();
    RouteRequest {
        classification: match word {
            "begin" => Classification::of_begin(false),
            "begin_read_only" => Classification::of_begin(true),
            "read" => Classification::new(Intent::Read, Reason::Replica),
            // `write execute`: the intent and the verdict's reason.
            other => {
                let (intent_word, reason_word) = other.split_once(' ').unwrap_or((other, other));
                Classification::new(intent(intent_word), reason(reason_word))
            }
        },
        forced: match ask["by"].as_str() {
            None => Forced::No,
            Some("primary()") => Forced::Primary,
            Some("replica()") => Forced::Replica,
            Some(other) => panic!("no handle `{other}`"),
        },
        fresh: if ask["needs_primary"] == true {
            Fresh::Primary
        } else {
            Fresh::Any
        },
        preference: preferring(ask["in_zone"].as_str(), ask["tagged"].as_str()),
        tried,
        spares: match ask["spares"].as_str() {
            None => Spares::Nobody,
            Some("primary") => Spares::Primary,
            Some("everybody") => Spares::Everybody,
            Some(other) => panic!("nobody is `{other}`"),
        },
        retried: ask["retried"] == true,
        waiting: number("waiting"),
    }
}

fn text(decision: Decision, view: &View) -> String {
    match decision {
        Decision::Go { index, reason } => format!("{} {reason}", view.nodes()[index].name),
        Decision::Wait => "wait".to_owned(),
        Decision::Refuse(refusal) => match refusal {
            Refusal::NotARead { reason } => format!("refuse not_a_read {reason}"),
            Refusal::NoReplica => "refuse no_replica".to_owned(),
            Refusal::KeptBack => "refuse kept_back".to_owned(),
            Refusal::TooManyWaiting { limit } => format!("refuse too_many_waiting {limit}"),
        },
    }
}

#[test]
fn every_row_of_the_routing_table_holds() {
    let mut count = 0;
    for (file, content) in FILES {
        for scenario in scenarios(file, content) {
            let name = format!(
                "{file}: {} ({})",
                str_of(&scenario, "name"),
                str_of(&scenario, "rule")
            );
            let state = state(&scenario["nodes"], &scenario["tuning"]);
            let view = View::new(&state);
            for ask in scenario["asks"].as_array().expect("asks") {
                let request = request(ask, &view);
                // All answers that many seeds give.
                let mut found: Vec<String> = (0..300)
                    .map(|seed| {
                        text(
                            route(&request, &view, &mut Rng::with_seed(seed), |_| 0, |_| false),
                            &view,
                        )
                    })
                    .collect();
                found.sort();
                found.dedup();
                if let Some(late) = ask["late"].as_bool() {
                    let lines = lines(&request, &view, |_| false, late);
                    let text = |&Route { index, reason }: &Route| {
                        text(Decision::Go { index, reason }, &view)
                    };
                    found = vec![lines.iter().map(text).collect::<Vec<_>>().join(", ")];
                }
                let expected: Vec<&str> = str_of(ask, "expect").split(" | ").collect();
                assert_eq!(found, expected, "{name}: {ask}");
                count += 1;
            }
            for (node, why) in scenario["why"].as_object().into_iter().flatten() {
                let found = view
                    .nodes()
                    .iter()
                    .find(|found| *found.name == **node)
                    .expect("a node");
                let found = found.ineligible.map(|why: Ineligible| why.to_string());
                assert_eq!(found.as_deref(), why.as_str(), "{name}: {node}");
            }
        }
    }
    println!("{count} questions");
}

#[test]
fn shares_follow_weights_latency_load_and_ramp() {
    const DRAWS: u32 = 60_000;
    for scenario in scenarios("balance", include_str!("route/balance.json")) {
        let name = format!(
            "{} ({})",
            str_of(&scenario, "name"),
            str_of(&scenario, "rule")
        );
        let view = View::new(&state(&scenario["nodes"], &scenario["tuning"]));
        let busy: Vec<u32> = view
            .nodes()
            .iter()
            .map(|node| {
                u32::try_from(scenario["in_flight"][&*node.name].as_u64().unwrap_or(0)).unwrap()
            })
            .collect();
        let seed = 42;
        let mut rng = Rng::with_seed(seed);
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for _ in 0..DRAWS {
            let usual = view.groups.in_order(None, &view.replicas).first();
            let index = balance::pick(usual, &mut rng, |index| busy[index]).expect("a node");
            *counts.entry(&*view.nodes()[index].name).or_default() += 1;
        }
        let expected = scenario["shares"].as_object().expect("shares");
        let mut chi_square = 0.0;
        for (node, share) in expected {
            let share = share.as_f64().expect("a share");
            let count = f64::from(counts.remove(node.as_str()).unwrap_or(0));
            let mean = share * f64::from(DRAWS);
            if share == 0.0 || (share - 1.0).abs() < f64::EPSILON {
                assert!(
                    (count - mean).abs() < 0.5,
                    "{name}: {node} was drawn {count} times, seed {seed}"
                );
            } else {
                chi_square += (count - mean).powi(2) / mean;
            }
        }
        assert!(counts.is_empty(), "{name}: not expected at all: {counts:?}");
        // Four degrees of freedom at the most: 23.5 is passed by chance once in ten thousand.
        assert!(
            chi_square < 23.5,
            "{name}: chi square {chi_square}, seed {seed}"
        );
    }
}

/// Statements that begin at random and end after a time that their node's latency gives: `tasks` of them at once.
fn closed_loop(view: &View, tasks: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::with_seed(seed);
    let mut busy = vec![0_u32; view.nodes().len()];
    let mut served = vec![0_u32; view.nodes().len()];
    let mut running: Vec<usize> = Vec::new();
    for _ in 0..100_000 {
        while running.len() < tasks {
            let usual = view.groups.in_order(None, &view.replicas).first();
            let index = balance::pick(usual, &mut rng, |index| busy[index]).expect("a node");
            busy[index] += 1;
            served[index] += 1;
            running.push(index);
        }
        let done = running.swap_remove(rng.usize(..running.len()));
        busy[done] -= 1;
    }
    let total: u32 = served.iter().sum();
    served
        .iter()
        .map(|count| f64::from(*count) / f64::from(total))
        .collect()
}

#[test]
fn shares_follow_weights_at_any_load() {
    // R3, with what is in flight changing as it does in life.
    let nodes = serde_json::json!([
        "p primary",
        "r1 replica weight=1",
        "r2 replica weight=2",
        "r3 replica weight=7"
    ]);
    let view = View::new(&state(&nodes, &Value::Null));
    for tasks in [1, 2, 8, 64, 512] {
        let shares = closed_loop(&view, tasks, 42);
        println!("{tasks} tasks: {shares:.3?}");
        let near = |share: f64, wanted: f64| share > wanted * 0.7 && share < wanted * 1.6 + 0.02;
        assert!(
            near(shares[1], 0.1) && near(shares[2], 0.2) && near(shares[3], 0.7),
            "{tasks}: {shares:?}"
        );
    }
}

#[test]
fn a_ramping_nodes_share_grows_with_every_step_at_any_load() {
    // R8.
    for tasks in [1, 8, 64] {
        let mut before = 0.0;
        for shown in [0, 5, 10, 15, 19] {
            let nodes = serde_json::json!([
                "p primary",
                format!("r1 replica ramping={shown}"),
                "r2 replica",
                "r3 replica"
            ]);
            let view = View::new(&state(&nodes, &Value::Null));
            let share = closed_loop(&view, tasks, 42)[1];
            println!("{tasks} tasks, step {shown}: {share:.3}");
            assert!(
                share > before,
                "{tasks} tasks, step {shown}: {share} after {before}"
            );
            before = share;
        }
        assert!((0.31..0.36).contains(&before), "{before}");
    }
}

#[test]
fn a_decision_allocates_nothing() {
    // Promise 7. Rows that fail over are as clean as the usual one.
    let nodes = serde_json::json!([
        "p primary",
        "r1 replica",
        "r2 replica zone=a",
        "r3 replica weight=3 tags=reports",
        "r4 replica"
    ]);
    let view = View::new(&state(&nodes, &Value::Null));
    let mut rng = Rng::with_seed(1);
    let mut request = plain(Classification::new(Intent::Read, Reason::Replica));
    let wanted = preferring(Some("a"), Some("reports"));
    let info = allocation_counter::measure(|| {
        for forced in [Forced::No, Forced::Primary, Forced::Replica] {
            request.forced = forced;
            request.preference = wanted;
            for node in 0..4 {
                let _ = route(&request, &view, &mut rng, |_| 3, |_| false);
                request.tried.add(NodeId(node));
            }
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn tried_nodes_are_forgotten_with_a_new_snapshot() {
    // R5: waiting for a new snapshot between two failures of the same node.
    let mut tried = Tried::default();
    for node in [1, 1, 2, 3, 4, 5] {
        tried.add(NodeId(node));
        assert!(tried.has(NodeId(node)));
    }
    assert!(tried.has(NodeId(1)) && !tried.is_empty());
    tried.forget();
    assert!(tried.is_empty() && !tried.has(NodeId(5)));
}

#[test]
fn a_refusal_says_what_to_do() {
    let refusals = [
        (
            Refusal::NotARead {
                reason: Reason::Write,
            },
            "primary()",
        ),
        (Refusal::NoReplica, "plain handle"),
        (Refusal::TooManyWaiting { limit: 9 }, "9"),
    ];
    for (refusal, part) in refusals {
        assert!(refusal.to_string().contains(part), "{refusal}");
    }
}

/// What a handle prefers; leaked, since a request borrows it from its handle.
fn preferring(zone: Option<&str>, tag: Option<&str>) -> Option<&'static Preference> {
    let (zone, tag) = (zone.map(Into::into), tag.map(Into::into));
    let wanted = Preference { zone, tag };
    (wanted != Preference::default()).then(|| &*Box::leak(Box::new(wanted)))
}

fn plain(classification: Classification) -> RouteRequest<'static> {
    RouteRequest {
        classification,
        forced: Forced::No,
        fresh: Fresh::Any,
        preference: None,
        tried: Tried::default(),
        spares: Spares::Nobody,
        retried: false,
        waiting: 0,
    }
}

const CONDITIONS: [&str; 10] = [
    "",
    "drained",
    "ejected",
    "gravely_suspected",
    "suspected",
    "saturated",
    "fenced",
    "ramping=3",
    "leaving",
    "weight=0",
];

fn views() -> impl Strategy<Value = State> {
    let replica = (0..CONDITIONS.len(), 0..4_usize, 0..3_usize);
    let replicas = prop::collection::vec(replica, 0..6);
    (replicas, 0..CONDITIONS.len() - 2, 0..3_u32, any::<bool>()).prop_map(
        |(replicas, primary, weight, enabled)| {
            // A primary is neither drained, fenced nor removed: its other conditions are met.
            let primary = [
                "",
                "ejected",
                "gravely_suspected",
                "suspected",
                "saturated",
                "",
                "",
                "",
            ][primary];
            let mut nodes = vec![format!("p primary {primary}")];
            for (index, (condition, rtt, zone)) in replicas.into_iter().enumerate() {
                let rtt = ["", "rtt=300us", "rtt=5ms", "rtt=90ms"][rtt];
                let zone = ["tags=x", "zone=a", "zone=b tags=x+y"][zone];
                nodes.push(format!(
                    "r{index} replica {} {rtt} {zone}",
                    CONDITIONS[condition]
                ));
            }
            let tuning = serde_json::json!({"primary_weight": weight, "enabled": enabled});
            state(&serde_json::json!(nodes), &tuning)
        },
    )
}

fn asks() -> impl Strategy<Value = RouteRequest<'static>> {
    let wanted = (0..4_usize, 0..3_usize);
    let ask = (0..Intent::ALL.len() + 2, 0..3_usize, wanted);
    (
        ask,
        any::<(bool, bool)>(),
        prop::collection::vec(0..7_u32, 0..5),
        0..2_u32,
    )
        .prop_map(
            |((ask, forced, (zone, tag)), (needs_primary, retried), tried, waiting)| {
                let classification = match Intent::ALL.get(ask) {
                    Some(intent) => Classification::new(*intent, Reason::Write),
                    None => Classification::of_begin(ask > Intent::ALL.len()),
                };
                let mut request = plain(classification);
                request.forced = [Forced::No, Forced::Primary, Forced::Replica][forced];
                let zone = [None, Some("a"), Some("b"), Some("nowhere")][zone];
                request.preference = preferring(zone, [None, Some("x"), Some("z")][tag]);
                request.fresh = if needs_primary {
                    Fresh::Primary
                } else {
                    Fresh::Any
                };
                request.retried = retried;
                tried
                    .into_iter()
                    .for_each(|node| request.tried.add(NodeId(node)));
                request.waiting = waiting * 10_000;
                request
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 3_000, ..ProptestConfig::default() })]

    /// Promise 1, R1, table R.
    #[test]
    fn no_request_ever_reaches_a_node_that_may_not_serve_it(state in views(), request in asks(), seed: u64) {
        let view = View::new(&state);
        let decision = route(&request, &view, &mut Rng::with_seed(seed), |index| u32::try_from(index).unwrap(), |_| false);
        let read = request.classification.intent == Intent::Read;
        let configured = state.members().any(|node| node.spec.role == Role::Replica);
        if let Decision::Go { index, reason } = decision {
            let node = state.node(view.nodes()[index].id).unwrap();
            if node.role != Role::Primary {
                prop_assert!(read, "a write on a replica");
                prop_assert_eq!(node.role, Role::Replica);
                prop_assert_eq!(node.stand, Membership::Member);
                prop_assert!(!node.is_in_doubt() && node.spec.weight > 0);
                prop_assert!(request.fresh == Fresh::Any || request.forced == Forced::Replica);
                prop_assert!(request.forced != Forced::Primary && state.tuning.enabled);
            }
            if request.forced == Forced::Replica && configured && state.tuning.enabled {
                prop_assert!(node.role == Role::Replica, "a strict handle on the primary");
            }
            prop_assert!(!request.tried.has(node.id), "the same node again without news");
            let places = lines(&request, &view, |_| false, true);
            prop_assert!(places.iter().any(|place| place.index == index), "no line where it goes: {reason}");
        }
        if request.forced == Forced::Replica && !read {
            let refused = matches!(decision, Decision::Refuse(Refusal::NotARead { .. }));
            prop_assert!(refused);
        }
    }

    /// R5: a read that moves on comes to every eligible replica before it gives up on them.
    #[test]
    fn a_read_that_fails_everywhere_visits_every_eligible_replica_once(state in views(), seed: u64) {
        let view = View::new(&state);
        let mut rng = Rng::with_seed(seed);
        let mut request = plain(Classification::new(Intent::Read, Reason::Replica));
        let mut visited = Vec::new();
        for _ in 0..4 {
            match route(&request, &view, &mut rng, |_| 0, |_| false) {
                Decision::Go { index, .. } => {
                    visited.push(index);
                    request.tried.add(view.nodes()[index].id);
                }
                _ => break,
            }
        }
        let replicas = view.replicas.members.len();
        let seen = visited.iter().filter(|index| view.nodes()[**index].role == Role::Replica).count();
        if view.splits && state.tuning.primary_weight == 0 {
            prop_assert_eq!(seen, replicas.min(4));
        }
        prop_assert!(visited.len() <= replicas + 1);
    }
}

#[test]
fn the_view_lists_members_in_the_order_of_the_state() {
    let nodes = serde_json::json!([
        "p primary",
        "r1 replica joining",
        "r2 replica drained",
        "r3 replica leaving",
        "r4 replica"
    ]);
    let state = state(&nodes, &Value::Null);
    let view = View::new(&state);
    let names: Vec<&str> = view.nodes().iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["p", "r2", "r4"]);
    assert_eq!(view.index_of(NodeId(4)), Some(2));
    assert_eq!(view.index_of(NodeId(3)), None);
    assert_eq!(state.tuning, Tuning::default());
    assert_eq!(Moment(Duration::ZERO), Moment::default());
}
