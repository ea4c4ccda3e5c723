//! The line at the start.

use crate::cluster::start::standing::line;
use crate::pure::words::node;
use crate::signal::Signal;
use crate::state::{Event, Moment, State, Tuning, View, reduce::reduce};
use crate::vocabulary::NodeId;

fn started(nodes: &[&str], events: &[Event]) -> String {
    let specs = nodes.iter().map(|text| node(text)).collect();
    let (mut state, _) = State::start(Tuning::default(), specs, Moment::default()).unwrap();
    let mut rng = fastrand::Rng::with_seed(7);
    for event in events {
        let _ = reduce(&mut state, event.clone(), Moment::default(), &mut rng);
    }
    line(&View::new(&state))
}

#[test]
fn the_line_at_the_start_says_who_is_what_and_why_not() {
    let dead = Event::ProbeFailed {
        node: NodeId(2),
        begun: Moment::default(),
        signal: Signal::Refused,
    };
    assert_eq!(
        started(&["p primary", "a replica", "b replica"], &[dead]),
        "`p` is the primary; reads go to `a`; `b` serves no reads: ejected"
    );
    assert_eq!(
        started(&["p primary"], &[]),
        "`p` is the primary; reads are not split"
    );
}
