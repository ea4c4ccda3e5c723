//! The reducer, driven by `reduce/*.json`: steps of events, with the effects and the nodes that must follow.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;
use serde_json::Value;

use super::words::{duration, flavour, node, option, scenarios, signal, stage, str_of, tuning};
use crate::causality::{Named, Word};
use crate::signal::Signal;
use crate::state::reduce::reduce;
use crate::state::{
    CatalogNews, Changes, Effect, Event, Fact, Fate, Membership, Moment, NodeHealth, NodeProgress,
    NodeSpec, NodeState, PoolNews, ProbeFacts, Ran, Reading, ServedReport, Spares, Standing,
    StartProblem, State, TextHash, Tuning, View, WalReceiver, Withheld, Writers,
};
use crate::vocabulary::{Flavour, Ineligible, NodeId, Role, Stage, SystemFacts};

const FILES: &[(&str, &str)] = &[
    ("ejection", include_str!("reduce/ejection.json")),
    ("readmission", include_str!("reduce/readmission.json")),
    ("crash", include_str!("reduce/crash.json")),
    ("suspicion", include_str!("reduce/suspicion.json")),
    ("members", include_str!("reduce/members.json")),
    ("roles", include_str!("reduce/roles.json")),
    ("topology", include_str!("reduce/topology.json")),
    ("start", include_str!("reduce/start.json")),
    ("lag", include_str!("reduce/lag.json")),
    ("pools", include_str!("reduce/pools.json")),
    ("catalog", include_str!("reduce/catalog.json")),
    ("stalls", include_str!("reduce/stalls.json")),
    ("told", include_str!("reduce/told.json")),
    ("sleep", include_str!("reduce/sleep.json")),
    ("flavour", include_str!("reduce/flavour.json")),
    ("rights", include_str!("reduce/rights.json")),
    ("pace", include_str!("reduce/pace.json")),
    ("succession", include_str!("reduce/succession.json")),
];

#[test]
fn every_scenario_of_the_reducer_holds() {
    let mut count = 0;
    for (file, text) in FILES {
        for scenario in scenarios(file, text) {
            run(file, &scenario);
            count += 1;
        }
    }
    println!("{count} scenarios");
}

struct Bench {
    state: State,
    rng: Rng,
    /// Names of all nodes there ever were, by id.
    names: Vec<String>,
}

fn run(file: &str, scenario: &Value) {
    let name = format!(
        "{file}: {} ({})",
        str_of(scenario, "name"),
        str_of(scenario, "rule")
    );
    let specs = list(&scenario["nodes"], node);
    let names = specs.iter().map(|spec| spec.name.to_string()).collect();
    let (state, effects) = State::start(tuning(&scenario["tuning"]), specs, Moment::default())
        .unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let mut bench = Bench {
        state,
        rng: Rng::with_seed(7),
        names,
    };
    if let Some(expected) = scenario.get("start") {
        bench.check(&name, &effects, expected, Moment::default());
    }
    for step in scenario["steps"].as_array().expect("steps") {
        let now = Moment(duration(str_of(step, "at")));
        let text = str_of(step, "event");
        let name = format!("{name}: at {} {text}", str_of(step, "at"));
        let event = bench.event(text, now);
        let version = bench.state.version;
        let effects = reduce(&mut bench.state, event, now, &mut bench.rng);
        for node in bench.state.nodes.iter().skip(bench.names.len()) {
            bench.names.push(node.spec.name.to_string());
        }
        assert_eq!(
            effects.contains(&Effect::Publish),
            bench.state.version > version,
            "{name}: version"
        );
        if let Some(expected) = step.get("effects") {
            bench.check(&name, &effects, expected, now);
        }
        for (node, expected) in step["nodes"].as_object().into_iter().flatten() {
            let found = bench.find(node).map_or_else(|| "gone".to_owned(), standing);
            assert_eq!(
                found,
                expected.as_str().expect("a text"),
                "{name}: node {node}"
            );
        }
        // What became of connections (`r1#0`), and where texts must not go.
        for (connections, expected) in step["fates"].as_object().into_iter().flatten() {
            let (node, generation) = connections.split_once('#').unwrap();
            let view = View::new(&bench.state);
            let found = match view.fate(bench.id(node), generation.parse().unwrap()) {
                Fate::Open => "open".to_owned(),
                Fate::Crashed(Ran::Read(TextHash(text))) => format!("crashed by {text}"),
                Fate::Crashed(first) => format!("crashed by {first:?}").to_lowercase(),
                Fate::Other => "no crash".to_owned(),
            };
            assert_eq!(found, expected.as_str().unwrap(), "{name}: {connections}");
        }
        for (text, expected) in step["spares"].as_object().into_iter().flatten() {
            let found = match View::new(&bench.state).spares(TextHash(text.parse().unwrap())) {
                Spares::Nobody => "nobody",
                Spares::Primary => "primary",
                Spares::Everybody => "everybody",
            };
            assert_eq!(found, expected.as_str().unwrap(), "{name}: text {text}");
        }
        // By text, by where it ran when that crashed, and by what it was kept away for before.
        for (read, expected) in step["kept"].as_object().into_iter().flatten() {
            let words: Vec<_> = read
                .split(' ')
                .map(|word| (word != "-").then_some(word))
                .collect();
            let text = words[0].map(|text| TextHash(text.parse().unwrap()));
            let ran_in = words[1].and_then(|word| word.split_once('#'));
            let ran_in = ran_in.map(|(node, pool)| (bench.id(node), pool.parse().unwrap()));
            let before = words[2].map(|node| bench.id(node));
            let found = View::new(&bench.state).spared(text, ran_in, before);
            let found = found.map(|id| bench.names[usize::try_from(id.0).unwrap()].as_str());
            assert_eq!(found.unwrap_or("nobody"), expected, "{name}: kept {read}");
        }
        for (node, expected) in step["why"].as_object().into_iter().flatten() {
            let view = View::new(&bench.state);
            let index = view.index_of(bench.id(node)).unwrap();
            let shown = view.nodes()[index].shown().map(Ineligible::as_str);
            assert_eq!(shown, expected.as_str(), "{name}: why {node}");
        }
        if let Some(fresh) = step.get("connects_anew") {
            let node = bench.id(fresh.as_str().unwrap());
            assert!(
                bench.state.connects_anew(node, now),
                "{name}: on the old connection"
            );
        }
        if let Some(expected) = step.get("least_position") {
            let found = bench.state.least_position(now);
            assert_eq!(found, expected.as_u64(), "{name}: least position");
        }
        if let Some(expected) = step.get("believes") {
            let role = super::words::role(expected.as_str().unwrap());
            let other = match role {
                Role::Primary => Role::Replica,
                _ => Role::Primary,
            };
            assert!(bench.state.believes_catalog_of(role), "{name}: {role}");
            assert!(!bench.state.believes_catalog_of(other), "{name}: {other}");
        }
        if let Some(expected) = step.get("primary") {
            let primary = bench.state.primaryship.primary;
            let found = primary.map(|id| bench.names[usize::try_from(id.0).unwrap()].as_str());
            assert_eq!(found, expected.as_str(), "{name}: who takes the writes");
        }
        if let Some(expected) = step.get("shares") {
            let view = View::new(&bench.state);
            let mut found: Vec<&str> = Vec::new();
            for candidate in &view.groups.in_order(None, &view.replicas).first().members {
                found.push(&view.nodes()[candidate.index].name);
            }
            assert_eq!(
                found,
                list(expected, str::to_owned),
                "{name}: who has reads"
            );
        }
        if let Some(expected) = step.get("flavour") {
            let found = View::new(&bench.state).flavour.map(Flavour::as_str);
            assert_eq!(found, expected.as_str(), "{name}: which system");
        }
        if let Some(expected) = step.get("has_positions") {
            assert_eq!(bench.state.has_positions(), *expected, "{name}: positions");
        }
        if let Some(expected) = step.get("next_tick") {
            let next = bench.state.next_tick().map(|next| next.0);
            assert_eq!(next, expected.as_str().map(duration), "{name}: next tick");
        }
        if let Some(expected) = step.get("next_look") {
            let next = bench.state.next_look().map(|next| next.0);
            assert_eq!(next, expected.as_str().map(duration), "{name}: next look");
        }
        if let Some(expected) = step.get("start_problem") {
            let problem = bench
                .state
                .start_problem(expected["without_primary"] == true);
            let found = problem.map(|problem: StartProblem| problem.to_string());
            assert_eq!(found.as_deref(), expected["text"].as_str(), "{name}");
        }
    }
}

fn list<T>(value: &Value, read: impl Fn(&str) -> T) -> Vec<T> {
    let texts = value.as_array().expect("a list").iter();
    texts
        .map(|text| read(text.as_str().expect("a text")))
        .collect()
}

/// `ejected drained #1`, leaving out what is usual.
fn standing(node: &NodeState) -> String {
    let mut text = match node.condition.health {
        NodeHealth::Up => "up".to_owned(),
        NodeHealth::Ramping { shown, .. } => format!("ramping {shown}"),
        NodeHealth::Ejected { .. } => "ejected".to_owned(),
    };
    match node.condition.suspicion {
        Some(suspicion) if suspicion.grave => text += " gravely_suspected",
        Some(_) => text += " suspected",
        None => {}
    }
    if node.condition.saturated_until.is_some() {
        text += " saturated";
    }
    if node.condition.slowness > 1 {
        text += &format!(" slow {}", node.condition.slowness);
    }
    match node.stand {
        Membership::Member => {}
        Membership::Drained => text += " drained",
        Membership::Joining { .. } => text += " joining",
        Membership::Leaving { .. } => text += " leaving",
    }
    match (node.role, node.spec.role) {
        (Role::Fenced, _) => text += " fenced",
        (role, configured) if role != configured => text += &format!(" as {role}"),
        _ => {}
    }
    if node.replay.lagging {
        text += " lagging";
    }
    if node.said.epoch == Fact::Unknown {
        text += " hidden";
    }
    format!("{text} #{}", node.generation)
}

impl Bench {
    fn find(&self, name: &str) -> Option<&NodeState> {
        self.state
            .nodes
            .iter()
            .rev()
            .find(|node| &*node.spec.name == name)
    }

    fn id(&self, name: &str) -> NodeId {
        let index = self.names.iter().rposition(|known| known == name);
        NodeId(u32::try_from(index.unwrap_or_else(|| panic!("no node `{name}`"))).unwrap())
    }

    /// The generation in the text, or the present one.
    fn generation(&self, text: &str, name: &str) -> u64 {
        let present = self.find(name).map_or(0, |node| node.generation);
        option(text, "generation").map_or(present, |text| text.parse().unwrap())
    }

    fn event(&self, text: &str, now: Moment) -> Event {
        let words: Vec<&str> = text.split_whitespace().collect();
        let begun = option(text, "begun").map_or(now, |begun| Moment(duration(begun)));
        match words[..] {
            ["tick"] => Event::Tick,
            ["waiters"] => Event::Waiters(true),
            ["no_waiters"] => Event::Waiters(false),
            ["ask_all"] => Event::AskAll,
            ["refresh"] => Event::Refresh,
            ["ahead", name, epoch] => Event::Ahead {
                node: self.id(name),
                epoch: epoch.parse().unwrap(),
            },
            ["strays", name] => Event::Strays {
                node: self.id(name),
            },
            ["sleep"] => Event::Sleep,
            ["woken:", ..] => {
                let answers = text["woken:".len()..].split(';');
                Event::Woken(answers.map(|text| self.event(text.trim(), now)).collect())
            }
            ["progress", ..] => {
                let counted = words[1..].iter();
                Event::Progress(counted.map(|text| self.progress(text)).collect())
            }
            ["served", ..] => {
                let served = words[1..].iter();
                Event::Served(served.map(|text| self.served(text)).collect())
            }
            ["check", ticket, name] => Event::Check {
                ticket: ticket.parse().expect("a ticket"),
                node: self.id(name),
            },
            ["pool", name, what, ..] => Event::Pool {
                node: self.id(name),
                generation: self.generation(text, name),
                news: match what {
                    "opened" => PoolNews::Opened,
                    "missing" => PoolNews::Missing,
                    _ => panic!("no news of a pool: `{text}`"),
                },
            },
            ["catalog", ..] => Event::Catalog(catalog_news(text)),
            ["accept", name] => Event::Accept {
                node: self.id(name),
            },
            ["told", number, ..] => Event::Told {
                word: Word {
                    number: number.parse().expect("a number"),
                    named: named(text),
                },
                heard: option(text, "heard").map_or(0, |text| text.parse().unwrap()),
            },
            ["moved", name] => Event::Moved {
                node: self.id(name),
            },
            ["promoted", name] => Event::Promoted {
                node: self.id(name),
            },
            ["drain", name] => Event::Drain {
                node: self.id(name),
            },
            ["resume", name] => Event::Resume {
                node: self.id(name),
            },
            ["drained_out", name] => Event::DrainedOut {
                node: self.id(name),
            },
            ["warmed", name] => Event::Warmed {
                node: self.id(name),
            },
            ["warm_failed", name, cause] => Event::WarmFailed {
                node: self.id(name),
                signal: signal(cause),
            },
            ["failed", name, at, cause, ..] => Event::Failed {
                node: self.id(name),
                generation: self.generation(text, name),
                stage: stage(at),
                signal: signal(cause),
                ran: match option(text, "ran") {
                    None => Ran::Nothing,
                    Some("other") => Ran::Other,
                    Some(hash) => Ran::Read(TextHash(hash.parse().unwrap())),
                },
            },
            ["probe", name, "ok", rtt, ..] => Event::ProbeOk {
                node: self.id(name),
                begun,
                rtt: duration(rtt),
                facts: ProbeFacts {
                    in_recovery: fact(text, "in_recovery"),
                    standing: told_standing(text),
                    guess: None,
                    writers: writers(text),
                    identity: fact(text, "identity"),
                    epoch: fact(text, "epoch"),
                    receiver: receiver(text),
                    withheld: option(text, "withheld").map(|what| match what {
                        "replication" => Withheld::Replication,
                        "receiver" => Withheld::Receiver,
                        "log" => Withheld::Log,
                        _ => panic!("nothing is withheld as `{what}`"),
                    }),
                    position: option(text, "position").map(|text| text.parse().unwrap()),
                    ended: option(text, "ended").map(|text| text.parse().unwrap()),
                    server: fact(text, "server"),
                    started: option(text, "started").map(|text| text.parse().unwrap()),
                    address: option(text, "address").map(|text| text.parse().unwrap()),
                    reached: option(text, "reached").map(|text| text.parse().unwrap()),
                    serializable: option(text, "serializable").is_some(),
                    moved: text.ends_with(" moved"),
                    several: option(text, "several").is_some(),
                    furthest: option(text, "furthest").map(|text| text.parse().unwrap()),
                    system: SystemFacts {
                        flavour: option(text, "flavour").map(flavour),
                        proves_nothing: option(text, "proves_nothing").is_some(),
                        subscribes: option(text, "subscribes").is_some(),
                        follower_reads: false,
                    },
                },
            },
            ["probe", name, "failed", cause, ..] => Event::ProbeFailed {
                node: self.id(name),
                begun,
                signal: signal(cause),
            },
            ["replace", ticket, ..] => {
                let (_, nodes) = text.split_once(':').expect("a list after the ticket");
                let nodes = nodes.split(';').filter(|text| !text.trim().is_empty());
                let ticket = ticket.trim_end_matches(':').parse().expect("a ticket");
                Event::Replace {
                    ticket,
                    nodes: nodes.map(node).collect(),
                }
            }
            _ => panic!("no event `{text}`"),
        }
    }

    /// `a=3/2`: three have begun there, two of which have ended.
    fn progress(&self, text: &str) -> NodeProgress {
        let (name, counts) = text.split_once('=').expect("a node and its counts");
        let (begun, ended) = counts.split_once('/').expect("two counts");
        NodeProgress {
            node: self.id(name),
            begun: begun.parse().expect("a count"),
            ended: ended.parse().expect("a count"),
        }
    }

    /// `a=100/2ms/3`: a hundred were answered there, the median after two milliseconds; three of them failed.
    fn served(&self, text: &str) -> ServedReport {
        let (name, told) = text.split_once('=').expect("a node and what it served");
        let (statements, told) = told.split_once('/').expect("a count and a time");
        let (typical, failed) = told.split_once('/').unwrap_or((told, "0"));
        ServedReport {
            node: self.id(name),
            statements: statements.parse().expect("a count"),
            failed: failed.parse().expect("a count"),
            typical: humantime::parse_duration(typical).expect("a time"),
        }
    }

    fn check(&self, name: &str, effects: &[Effect], expected: &Value, now: Moment) {
        let found: Vec<String> = effects
            .iter()
            .map(|effect| self.effect(effect, now))
            .collect();
        let expected = list(expected, str::to_owned);
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(found, expected)| matches(found, expected));
        assert!(same, "{name}:\n   found {found:#?}\nexpected {expected:#?}");
    }

    fn effect(&self, effect: &Effect, now: Moment) -> String {
        let name = |id: NodeId| &self.names[usize::try_from(id.0).unwrap()];
        match effect {
            Effect::Probe { node, at } => {
                format!("probe {} in {}us", name(*node), at.since(now).as_micros())
            }
            Effect::ReplacePool {
                node,
                generation,
                cut,
            } => {
                format!(
                    "new pool {} #{generation}{}",
                    name(*node),
                    if *cut { " cut" } else { "" }
                )
            }
            Effect::Warm { node, until } => {
                format!("warm {} within {:?}", name(*node), until.since(now))
            }
            Effect::Watch { node } => format!("watch {}", name(*node)),
            Effect::ClosePool { node } => format!("close {}", name(*node)),
            Effect::CutAndClose { node } => format!("close {} cut", name(*node)),
            Effect::Publish => "publish".to_owned(),
            Effect::Sleep => "sleep".to_owned(),
            Effect::OpenMissing { node } => format!("open missing {}", name(*node)),
            Effect::Fill { node } => format!("fill {}", name(*node)),
            Effect::StandBy { node } => format!("stand by {}", name(*node)),
            Effect::ReadCatalog { role, node } => {
                let node = node.map_or("nobody", |node| name(node).as_str());
                format!("read catalog of {node} as {role}")
            }
            Effect::HearWishes { at } => format!("hear wishes in {:?}", at.since(now)),
            Effect::Checked { ticket } => format!("checked {ticket}"),
            Effect::AskPosition => "ask position".to_owned(),
            Effect::Obeyed { number } => format!("obeyed {number}"),
            Effect::Replaced(Changes {
                ticket,
                added,
                removed,
                kept,
                changed,
                dropped,
            }) => {
                let mut text = format!("replaced {ticket}");
                let lists = [
                    ("added", added),
                    ("removed", removed),
                    ("kept", kept),
                    ("changed", changed),
                ];
                for (label, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
                    let names: Vec<_> = ids.iter().map(|id| name(*id).as_str()).collect();
                    text += &format!(" {label}={}", names.join(","));
                }
                if !dropped.is_empty() {
                    text += &format!(" dropped={}", dropped.join(","));
                }
                text
            }
            Effect::Accepted(named) => {
                let identity = named
                    .cluster
                    .map_or_else(|| "?".to_owned(), |known| known.to_string());
                format!("accepted {identity} {}", named.timeline)
            }
            Effect::ReplaceRefused { ticket, problem } => format!("refused {ticket}: {problem}"),
            Effect::Notice(notice) => {
                let mut text = format!("{notice:?}");
                for (id, name) in self.names.iter().enumerate() {
                    text = text.replace(&format!("NodeId({id})"), name);
                }
                text
            }
        }
    }
}

/// `writable=true receives=unknown feeds=true`: what a server without a state of recovery says of its role.
fn told_standing(text: &str) -> Option<Standing> {
    Some(Standing {
        writable: option(text, "writable")? == "true",
        receives: fact(text, "receives"),
        feeds: option(text, "feeds").is_some(),
        unwritten: option(text, "unwritten").is_some(),
    })
}

/// `own=2 log=1:100+2:103`: the server, and the last number of each whose transactions it has.
fn writers(text: &str) -> Option<Arc<Writers>> {
    let pair = |text: &str| {
        let (writer, number) = text.split_once(':').expect("a writer and its number");
        (writer.parse().unwrap(), number.parse().unwrap())
    };
    let log = option(text, "log")?.split('+').map(pair).collect();
    let own = option(text, "own").expect("own=").parse().unwrap();
    Writers::in_one_order(own, log).map(Arc::new)
}

/// Texts are alike; `probe r1 now` is at once, `probe r1 in 75..100ms` a range.
fn matches(found: &str, expected: &str) -> bool {
    let probe = |text: &str| {
        let (node, time) = text.strip_prefix("probe ")?.split_once(' ')?;
        Some((node.to_owned(), time.trim_start_matches("in ").to_owned()))
    };
    let (Some((node, time)), Some((wanted, range))) = (probe(found), probe(expected)) else {
        return found == expected;
    };
    let micros: u64 = time.trim_end_matches("us").parse().expect("a time");
    let range = range.replace("now", "0..0ms");
    let (from, to) = range.split_once("..").expect("a range");
    let millis = |text: &str| {
        text.trim_end_matches("ms")
            .parse::<u64>()
            .expect("milliseconds")
            * 1000
    };
    node == wanted && (millis(from)..=millis(to)).contains(&micros)
}

fn catalog_news(text: &str) -> CatalogNews {
    let read = |of: &str, reading| CatalogNews::Read(super::words::role(of), reading);
    match text.split_once("catalog ").expect("news").1 {
        "exists" => CatalogNews::Exists { read: false },
        "exists read" => CatalogNews::Exists { read: true },
        "changed" => CatalogNews::Changed,
        "wished" => CatalogNews::Wished,
        other => match other.split(' ').collect::<Vec<_>>()[..] {
            ["read", of, found] => read(
                of,
                match found {
                    "failed" => Reading::Failed,
                    "known" => Reading::Known,
                    "new" => Reading::New,
                    _ => panic!("no reading `{found}`"),
                },
            ),
            _ => panic!("no news of the catalog: `{text}`"),
        },
    }
}

/// The server that an authority named.
fn named(text: &str) -> Named {
    let number = |key| option(text, key).map(|text| text.parse().unwrap());
    Named {
        cluster: number("identity"),
        timeline: number("epoch").expect("an epoch"),
        started: number("started"),
    }
}

fn fact<T: std::str::FromStr>(text: &str, key: &str) -> Fact<T> {
    match option(text, key) {
        None => Fact::NotChecked,
        Some("unknown") => Fact::Unknown,
        Some(value) => Fact::Known(value.parse().ok().expect("a fact")),
    }
}

fn receiver(text: &str) -> Fact<WalReceiver> {
    match fact(text, "receiving") {
        Fact::Known(true) => Fact::Known(WalReceiver::Fed),
        Fact::Known(false) => Fact::Known(WalReceiver::Absent),
        Fact::Unknown => Fact::Unknown,
        Fact::NotChecked if text.contains(" asks_for_log") => Fact::Known(WalReceiver::Started),
        Fact::NotChecked if text.contains(" hides_log") => Fact::Known(WalReceiver::Hidden),
        Fact::NotChecked => Fact::NotChecked,
    }
}

fn three() -> (State, Vec<NodeSpec>) {
    let specs: Vec<_> = ["p primary", "a replica", "b replica"]
        .into_iter()
        .map(node)
        .collect();
    let (state, _) = State::start(Tuning::default(), specs.clone(), Moment::default()).unwrap();
    (state, specs)
}

/// An arbitrary event about three or four nodes, at an arbitrary later time.
fn events() -> impl Strategy<Value = Vec<(u64, u8, u32, usize, u64)>> {
    prop::collection::vec(
        (
            0..3_000_u64,
            0..17_u8,
            0..6_u32,
            0..Signal::ALL.len(),
            0..4_u64,
        ),
        0..60,
    )
}

fn event_of(now: Moment, kind: u8, node: u32, signal: usize, generation: u64) -> Event {
    let (node, signal) = (NodeId(node), Signal::ALL[signal]);
    let begun = Moment(now.0.saturating_sub(Duration::from_millis(generation)));
    let facts = ProbeFacts::default();
    match kind {
        0..4 => Event::Failed {
            node,
            generation,
            stage: Stage::Send,
            signal,
            ran: match generation {
                0 => Ran::Nothing,
                text => Ran::Read(TextHash(text)),
            },
        },
        4 | 5 => Event::Failed {
            node,
            generation,
            stage: Stage::Acquire,
            signal,
            ran: Ran::Nothing,
        },
        6 | 7 => Event::ProbeOk {
            node,
            begun,
            rtt: Duration::from_millis(generation),
            facts,
        },
        8 => Event::ProbeFailed {
            node,
            begun,
            signal,
        },
        9 => Event::Drain { node },
        10 => Event::Resume { node },
        11 => Event::Warmed { node },
        12 => Event::DrainedOut { node },
        13 => Event::Accept { node },
        14 => Event::Told {
            word: Word {
                number: generation,
                named: Named::default(),
            },
            heard: 0,
        },
        15 => Event::Promoted { node },
        _ => Event::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// T10.
    #[test]
    fn late_reports_of_older_generations_change_nothing(seed: u64, signal in 0..Signal::ALL.len(), acquire: bool) {
        let (mut state, _) = three();
        let mut rng = Rng::with_seed(seed);
        let (node, now) = (NodeId(1), Moment(Duration::from_secs(1)));
        let dead = Event::Failed { node, generation: 0, stage: Stage::Send, signal: Signal::Disconnected , ran: Ran::Nothing};
        let _ = reduce(&mut state, dead, now, &mut rng);
        let before = format!("{state:?}");
        let stage = if acquire { Stage::Acquire } else { Stage::Send };
        let late = Event::Failed { node, generation: 0, stage, signal: Signal::ALL[signal] , ran: Ran::Nothing};
        let effects = reduce(&mut state, late, now, &mut rng);
        prop_assert!(effects.iter().all(|effect| matches!(effect, Effect::Notice(_))));
        prop_assert_eq!(before, format!("{state:?}"));
    }

    /// R8: whatever happens, the machine neither stops nor spins.
    #[test]
    fn every_member_has_a_probe_on_its_way_and_ticks_make_progress(list in events(), seed: u64) {
        let (mut state, specs) = three();
        let mut rng = Rng::with_seed(seed);
        let mut now = Moment::default();
        for (index, (wait, kind, node, signal, generation)) in list.into_iter().enumerate() {
            now = now.after(Duration::from_millis(wait));
            let event = event_of(now, kind, node, signal, generation);
            let _ = reduce(&mut state, event, now, &mut rng);
            if index % 7 == 3 {
                let keep = 1 + index % 3;
                let mut nodes = specs[..keep].to_vec();
                nodes.push(super::words::node("c replica"));
                let _ = reduce(&mut state, Event::Replace { ticket: 1, nodes }, now, &mut rng);
            }
            if index % 11 == 5 {
                let _ = reduce(&mut state, Event::Sleep, now, &mut rng);
                prop_assert!(!state.sleeping.asleep || state.next_tick().is_none(), "asleep: {state:?}");
                let woken = Event::Woken(vec![event_of(now, 6, 1, signal, generation)]);
                let _ = reduce(&mut state, woken, now, &mut rng);
                prop_assert!(!state.sleeping.asleep);
            }
            let _ = reduce(&mut state, Event::Tick, now, &mut rng);
            prop_assert!(state.next_tick().is_none_or(|next| next > now), "spins at {now:?}: {state:?}");
            for node in state.members() {
                prop_assert!(node.probe.due.is_some(), "nobody looks at {node:?}");
            }
            prop_assert_eq!(state.members().filter(|node| node.spec.role == Role::Primary).count(), 1);
        }
        // Left alone for long, everything that was removed is gone and every replacement is in force.
        for _ in 0..20 {
            now = now.after(Duration::from_secs(31));
            let _ = reduce(&mut state, Event::Tick, now, &mut rng);
        }
        prop_assert!(state.nodes.iter().all(NodeState::is_member), "{state:?}");
        prop_assert!(state.next_tick().is_none());
    }

    /// R8.
    #[test]
    fn a_replacement_keeps_the_pools_of_unchanged_nodes(keep in prop::collection::vec(any::<bool>(), 4), seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let specs: Vec<_> =
            ["p primary", "a replica", "b replica", "c replica", "d replica"].into_iter().map(node).collect();
        let (mut state, _) = State::start(Tuning::default(), specs.clone(), Moment::default()).unwrap();
        let before: Vec<_> = state.nodes.iter().map(|node| (node.id, node.generation)).collect();
        let kept = |index: usize| index == 0 || keep[index - 1];
        let mut nodes: Vec<NodeSpec> = (0..5).filter(|index| kept(*index)).map(|index| specs[index].clone()).collect();
        rng.shuffle(&mut nodes);
        for node in &mut nodes {
            node.weight = rng.u32(0..9);
            node.name = format!("{}-renamed", node.name).into();
        }
        let effects = reduce(&mut state, Event::Replace { ticket: 1, nodes }, Moment::default(), &mut rng);
        for (index, old) in before.iter().enumerate() {
            let now = state.node(old.0).map(|node| (node.id, node.generation));
            prop_assert_eq!(now, Some(*old));
            let member = state.node(old.0).unwrap().is_member();
            prop_assert_eq!(member, kept(index));
        }
        let touches_pools = |effect: &Effect| {
            matches!(effect, Effect::ReplacePool { .. } | Effect::Warm { .. } | Effect::ClosePool { .. })
        };
        prop_assert!(!effects.iter().any(touches_pools));
        prop_assert_eq!(View::new(&state).nodes().len(), (0..5).filter(|index| kept(*index)).count());
    }
}
