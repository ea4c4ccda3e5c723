//! What every error means, by stage and by the role of the node, fresh and stale: for the node, and for the statement.
//!
//! The page is generated from the code and read by people when it changes: each row says what becomes of the node and its
//! pool, whether it is asked, and what becomes of a read, of a plain write, and of the same inside a transaction.

use std::{fmt::Write as _, time::Duration};

use fastrand::Rng;

use super::words::node;
use crate::{
    route::retry::{self, Crash, Failure, RetryTo, RetryVerdict, SentKind},
    signal::Signal,
    state::{
        Effect, Event, Fact, Moment, ProbeFacts, Ran, State, Tuning, WalReceiver, reduce::reduce,
    },
    vocabulary::{NodeId, Role, Stage},
};

/// A primary and two replicas that have answered.
fn well() -> State {
    let specs = ["p primary", "a replica", "b replica"].map(node).to_vec();
    let (mut state, _) = State::start(Tuning::default(), specs, Moment::default()).unwrap();
    let mut rng = Rng::with_seed(1);
    for round in 1..3 {
        for (nth, in_recovery) in [(0, false), (1, true), (2, true)] {
            let now = Moment(Duration::from_millis(round));
            let facts = ProbeFacts {
                in_recovery: Fact::Known(in_recovery),
                identity: Fact::Known(7),
                epoch: Fact::Known(1),
                server: Fact::Known(nth.into()),
                receiver: Fact::Known(WalReceiver::Fed),
                position: Some(100),
                ..ProbeFacts::default()
            };
            let event = Event::ProbeOk {
                node: NodeId(nth),
                begun: now,
                rtt: Duration::from_millis(1),
                facts,
            };
            let _ = reduce(&mut state, event, now, &mut rng);
        }
    }
    state
}

fn of_node(stage: Stage, signal: Signal, on: NodeId) -> String {
    let mut state = well();
    let now = Moment(Duration::from_millis(100));
    let event = Event::Failed {
        node: on,
        generation: 0,
        stage,
        signal,
        ran: Ran::Nothing,
    };
    let effects = reduce(&mut state, event, now, &mut Rng::with_seed(1));
    let node = state.node(on).unwrap();
    let mut text = node.role.to_string();
    if node.is_ejected() {
        text += " ejected";
    } else if let Some(suspicion) = node.condition.suspicion {
        text += if suspicion.grave {
            " gravely_suspected"
        } else {
            " suspected"
        };
    }
    if node.condition.saturated_until.is_some() {
        text += " saturated";
    }
    if node.generation > 0 {
        text += " new_pool";
    }
    let asked = |effect: &Effect| matches!(effect, Effect::Probe { node, .. } if *node == on);
    if effects.iter().any(asked) {
        text += " asked";
    }
    text
}

fn of_statement(
    kind: SentKind,
    stage: Stage,
    signal: Signal,
    (role, in_transaction): (Role, bool),
) -> String {
    let failure = Failure {
        kind,
        stage,
        signal,
        role,
        in_transaction,
        correctable: true,
        retries: 0,
        renewed: 0,
        crash: Crash::No,
    };
    match retry::verdict(&failure) {
        RetryVerdict::Retry(RetryTo::Elsewhere) => "elsewhere".to_owned(),
        RetryVerdict::Retry(RetryTo::NewSnapshot) => "new_snapshot".to_owned(),
        RetryVerdict::Retry(RetryTo::SameNode) => "same_node".to_owned(),
        RetryVerdict::Retry(RetryTo::Primary) => "primary".to_owned(),
        RetryVerdict::Retry(RetryTo::AfterProbe) => "after_probe".to_owned(),
        RetryVerdict::Retry(RetryTo::Renewed) => "renewed".to_owned(),
        RetryVerdict::Give(outcome) => outcome.to_string(),
    }
}

fn page() -> String {
    let mut page =
        "signal | stage | on | node | read | write | read in txn | write in txn\n".to_owned();
    for signal in Signal::ALL {
        for stage in [Stage::Acquire, Stage::Send] {
            for (id, role) in [(NodeId(0), Role::Primary), (NodeId(1), Role::Replica)] {
                let statement = |kind, txn| of_statement(kind, stage, *signal, (role, txn));
                writeln!(
                    page,
                    "{} | {stage} | {role} | {} | {} | {} | {} | {}",
                    signal.as_str(),
                    of_node(stage, *signal, id),
                    statement(SentKind::Read, false),
                    statement(SentKind::Plain, false),
                    statement(SentKind::Read, true),
                    statement(SentKind::Plain, true),
                )
                .unwrap();
            }
        }
    }
    page
}

/// T9, T10. `SEALANETEST_WRITE_PAGES=1` writes the page anew; read the difference before it is committed.
#[test]
fn what_every_error_means_is_what_was_read() {
    let page = page();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pure/matrix.txt");
    if std::env::var_os("SEALANETEST_WRITE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "tests/pure/matrix.txt should be\n{page}");
}

/// T10: of an older generation, none of them means anything.
#[test]
fn no_error_of_an_older_generation_changes_anything() {
    for signal in Signal::ALL {
        for stage in Stage::ALL {
            for id in [NodeId(0), NodeId(1)] {
                let mut state = well();
                state.nodes.iter_mut().for_each(|node| node.generation = 1);
                let before = format!("{:?}", state.nodes);
                let event = Event::Failed {
                    node: id,
                    generation: 0,
                    stage: *stage,
                    signal: *signal,
                    ran: Ran::Nothing,
                };
                let now = Moment(Duration::from_millis(100));
                let effects = reduce(&mut state, event, now, &mut Rng::with_seed(1));
                let quiet = effects
                    .iter()
                    .all(|effect| matches!(effect, Effect::Notice(_)));
                assert!(quiet, "{signal:?} {stage:?}: {effects:?}");
                assert_eq!(before, format!("{:?}", state.nodes), "{signal:?} {stage:?}");
            }
        }
    }
}

/// Promises 3 and 5: no row sends a write again of which nobody knows, and none in a transaction.
#[test]
fn no_error_sends_a_write_again_that_may_have_been_executed() {
    for signal in Signal::ALL {
        for stage in Stage::ALL {
            for kind in [SentKind::Plain, SentKind::Opaque, SentKind::Commit] {
                for in_transaction in [false, true] {
                    let failure = Failure {
                        kind,
                        stage: *stage,
                        signal: *signal,
                        role: Role::Primary,
                        in_transaction,
                        correctable: false,
                        retries: 0,
                        renewed: 0,
                        crash: Crash::No,
                    };
                    if let RetryVerdict::Retry(_) = retry::verdict(&failure) {
                        let known = retry::outcome(&failure);
                        assert_eq!(
                            known,
                            crate::vocabulary::Outcome::NotExecuted,
                            "{failure:?}"
                        );
                        assert!(!in_transaction, "{failure:?}");
                    }
                }
            }
        }
    }
}
