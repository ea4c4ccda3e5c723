//! The parts of the page that say how the servers are, and where statements went.

use std::{sync::PoisonError, time::Duration};

use maud::{Markup, html};
use sealane::{HealthState, NodeStatus, Role, RoutedConnection, Topology};

use crate::{
    diary::Diary,
    live::{Happened, Leisure},
};

/// What the page shows of one moment.
#[derive(Clone, Default)]
pub struct Status {
    pub health: Markup,
    pub topology: Markup,
    pub reads: Markup,
    pub leisure: Markup,
    pub events: Markup,
}

impl Status {
    /// The parts, to be sent where they changed.
    pub fn parts(&self) -> [&Markup; 5] {
        [
            &self.health,
            &self.topology,
            &self.reads,
            &self.leisure,
            &self.events,
        ]
    }
}

pub fn status(
    db: &RoutedConnection,
    diary: &Diary,
    happened: &Happened,
    leisure: &Leisure,
) -> Status {
    Status {
        health: health(db),
        topology: topology(&db.cluster().topology()),
        reads: reads(diary),
        leisure: at_leisure(leisure),
        events: events(happened),
    }
}

fn health(db: &RoutedConnection) -> Markup {
    let health = db.cluster().health();
    let class = match health.state {
        HealthState::Ready => "good",
        HealthState::ReadOnly => "fair",
        _ => "bad",
    };
    html! {
        p #health { span class={ "badge " (class) } { (health.state) } " " (health.reason) }
    }
}

fn topology(topology: &Topology) -> Markup {
    html! {
        section #topology {
            h2 { "Servers" }
            div.wide { table {
                thead { tr {
                    th { "node" } th { "host" } th { "role" } th { "epoch" } th.number { "lag, at most" } th.number { "connections" }
                    th.number { "runs" }
                    th { "serves reads" }
                } }
                tbody { @for node in &topology.nodes { (row(node)) } }
            } }
            @if topology.asleep { p.quiet { "The cluster sleeps: the next statement wakes it." } }
        }
    }
}

fn row(node: &NodeStatus) -> Markup {
    let why_not = node.ineligible.map(|why| why.to_string());
    html! {
        tr data-node=(node.name) data-role=(node.role) {
            th scope="row" { (node.name) }
            td { (short(&node.host)) }
            td { span class={ "role " (node.role) } { (node.role) } @if node.in_doubt { " in doubt" } }
            td { (node.epoch.map_or("–".to_owned(), |epoch| epoch.to_string())) }
            td.number { (node.lag.map_or("–".to_owned(), ago)) }
            td.number { (node.connections) }
            td.number { (node.in_flight) }
            td {
                @match (node.role, &why_not) {
                    (Role::Primary, _) => span.quiet { "the rest" },
                    (_, None) => "yes",
                    (_, Some(why)) => { "no: " (why) },
                }
            }
        }
    }
}

fn reads(diary: &Diary) -> Markup {
    html! {
        section #reads {
            h2 { "Where statements went, and why" }
            div.wide { table {
                thead { tr { th { "node" } th { "role" } th { "needs" } th { "reason" } th.number { "statements" } } }
                tbody {
                    @for (kind, count) in diary.counts() {
                        tr {
                            th scope="row" { (kind.node) } td { (kind.role) } td { (kind.intent) }
                            td { code { (kind.reason) } } td.number { (count) }
                        }
                    }
                }
            } }
            h3 { "What changed, the latest first" }
            ol.lines { @for one in diary.changes() { li { (one.what) " → " (one) } } }
        }
    }
}

fn at_leisure(leisure: &Leisure) -> Markup {
    let leisure = leisure.lock().unwrap_or_else(PoisonError::into_inner);
    html! {
        section #leisure {
            h2 { "A read that need not see it" }
            @match &*leisure {
                None => p.quiet { "Nothing has been read yet." },
                Some((count, read_at)) => p {
                    "With " code { "eventual" } " there are " b { (count) } " orders, at " (read_at) "."
                },
            }
        }
    }
}

fn events(happened: &Happened) -> Markup {
    html! {
        section #events {
            h2 { "What happened" }
            @let last = happened.last();
            @if last.is_empty() { p.quiet { "Nothing since the shop was opened." } }
            ol.lines { @for (age, event) in last { li { span.quiet { (ago(age)) " ago " } (event) } } }
        }
    }
}

/// A duration in a few characters.
fn ago(age: Duration) -> String {
    match age.as_secs() {
        0 => format!("{} ms", age.as_millis()),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// A host and port, or of a file its name.
fn short(host: &str) -> &str {
    host.rsplit('/').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_a_few_characters() {
        let millis = Duration::from_millis;
        let told = [3, 999, 1_500, 59_999, 180_000].map(|age| ago(millis(age)));
        assert_eq!(told, ["3 ms", "999 ms", "1 s", "59 s", "3 min"]);
        assert_eq!(
            (short("/tmp/x/shop.db"), short("127.0.0.1:5")),
            ("shop.db", "127.0.0.1:5")
        );
    }
}
