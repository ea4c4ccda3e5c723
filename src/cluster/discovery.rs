//! Where the list of nodes comes from, when it is not only the configured one (rule T12).
//!
//! A source tells members and, where it is an authority, which of them was made the primary. It never tells a role:
//! that word only makes a node's own claim count at once. An empty answer keeps the old list, and so does none.

#[cfg(all(feature = "discovery", feature = "postgres"))]
mod aurora;
#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "discovery")]
mod file;
#[cfg(feature = "discovery")]
mod patroni;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::{inbox::HandleOrder, shared::Shared, source::Source};
use crate::{
    config::{Config, Discovery, NodeConfig, hosts::is_allowed},
    vocabulary::{NodeId, Role},
};

/// Between two questions to a source that did not answer, and the least between two at all.
const PAUSE: Duration = Duration::from_millis(500);

/// A node as a source tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct FoundNode {
    name: String,
    /// `host:port`, or a host alone.
    address: String,
    weight: Option<u32>,
    zone: Option<String>,
    tags: Vec<String>,
}

/// What a source says at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    nodes: Vec<FoundNode>,
    /// The node that was made the primary, by an authority's word.
    leader: Option<String>,
}

/// Why a source gave no answer; without its text, which may be anything.
#[derive(Debug)]
struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Looks after the list for as long as the cluster lives.
pub(super) fn look_after(shared: &Arc<Shared>) {
    if shared.config.discovery == Discovery::Static {
        return;
    }
    let (weak, every) = (
        Arc::downgrade(shared),
        shared.config.check_interval.max(PAUSE / 5),
    );
    let mut alive = shared.snapshot.subscribe();
    let asking = async move {
        let (mut teller, mut kept) = (Teller::default(), KeptList::default());
        loop {
            let Some(config) = weak.upgrade().map(|shared| shared.config.clone()) else {
                return;
            };
            let answered = ask(&config, &mut kept).await;
            if weak.upgrade().is_none_or(|shared| shared.is_closed()) {
                return;
            }
            match answered {
                Ok(answer) => teller.tell(&weak, &answer).await,
                Err(why) => teller.warn(&why, &config),
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = closed(&mut alive) => return,
            }
        }
    };
    tokio::spawn(asking.boxed().in_current_span());
}

/// The nodes to begin with: those that the source tells, or the configured ones; and the one that it calls the primary,
/// where it is an authority. With a source, whoever is the primary now is found out by asking.
pub(super) async fn first(config: &Config) -> (Vec<NodeConfig>, Option<String>) {
    let configured = std::iter::once(&config.primary).chain(&config.replicas);
    if config.discovery == Discovery::Static {
        return (configured.cloned().collect(), None);
    }
    let mut leader = None;
    let found = match ask(config, &mut KeptList::default()).await {
        Ok(answer) => {
            leader.clone_from(&answer.leader);
            nodes(&answer, config)
        }
        Err(why) => {
            let source = config.setting("discovery");
            tracing::warn!(%why, "the list of nodes could not be read: the configured nodes are used until it can be; check {source}");
            Vec::new()
        }
    };
    match found.is_empty() {
        true => (
            configured.map(|node| node.as_role(Role::Unknown)).collect(),
            None,
        ),
        false => (found, leader),
    }
}

async fn closed(alive: &mut tokio::sync::watch::Receiver<u64>) {
    while alive.changed().await.is_ok() {}
}

/// What a source keeps between two questions.
#[derive(Default)]
struct KeptList {
    #[cfg(all(feature = "discovery", feature = "postgres"))]
    aurora: aurora::KeptConnection,
    #[cfg(feature = "dns")]
    dns: dns::KeptResolver,
}

#[cfg_attr(
    not(any(feature = "dns", all(feature = "discovery", feature = "postgres"))),
    expect(unused_variables, reason = "only Aurora and DNS keep anything")
)]
async fn ask(config: &Config, kept: &mut KeptList) -> Result<Answer, NoAnswer> {
    match &config.discovery {
        Discovery::Static => Ok(Answer::default()),
        #[cfg(feature = "dns")]
        Discovery::Dns(asked) => dns::ask(config, asked, &mut kept.dns).await,
        #[cfg(feature = "discovery")]
        Discovery::File(path) => file::read(path).await,
        #[cfg(feature = "discovery")]
        Discovery::Patroni(url) => patroni::ask(config, url).await,
        #[cfg(all(feature = "discovery", feature = "postgres"))]
        Discovery::Aurora(pattern) => aurora::ask(config, pattern, &mut kept.aurora).await,
        // The configuration was checked for that.
        #[cfg(not(all(feature = "dns", feature = "discovery", feature = "postgres")))]
        _ => Err(NoAnswer(
            "this build of sealane lacks the Cargo feature for it".to_owned(),
        )),
    }
}

/// The nodes in our words. What a source leaves out comes from the configured URL; one that it calls wrongly, or that is
/// where none may be, is left out with a warning.
fn nodes(answer: &Answer, config: &Config) -> Vec<NodeConfig> {
    let mut all = Vec::new();
    for found in &answer.nodes {
        match config.primary.replica_like(&found.address) {
            Ok(node) if !is_allowed(&config.discovery_hosts, node.url.host()) => {
                let allowed = config.setting("discovery_hosts");
                tracing::warn!(
                    node = found.name,
                    host = node.url.host(),
                    "a node in the list that was found is where none may be, by {allowed}, and is left out: nothing connects there; correct the one or the other"
                );
            }
            Ok(node) => {
                let mut node = node.as_role(Role::Unknown);
                if !found.name.is_empty() {
                    node.name = Some(found.name.clone());
                }
                node.weight = found.weight.unwrap_or(node.weight);
                node.zone = found.zone.clone().or(node.zone);
                if !found.tags.is_empty() {
                    node.tags.clone_from(&found.tags);
                }
                all.push(node);
            }
            Err(err) => {
                tracing::warn!(node = found.name, error = %err, "a node in the list that was found cannot be used and is left out: correct it where the list comes from");
            }
        }
    }
    all
}

/// Tells the cluster what has changed since the last time.
#[derive(Default)]
struct Teller {
    told: Answer,
    warned: bool,
}

impl Teller {
    async fn tell(&mut self, weak: &Weak<Shared>, answer: &Answer) {
        self.warned = false;
        if answer.nodes.is_empty() {
            return;
        }
        if answer.nodes != self.told.nodes {
            let Some(shared) = weak.upgrade() else {
                return;
            };
            let nodes = nodes(answer, &shared.config);
            if nodes.is_empty() {
                return;
            }
            let sources = Source::all(nodes);
            let (done, replaced) = oneshot::channel();
            shared.order(HandleOrder::Replace(sources, done));
            drop(shared);
            match replaced.await {
                Ok(Ok(_)) => self.told.nodes.clone_from(&answer.nodes),
                Ok(Err(err)) => {
                    tracing::warn!(error = %err, "the list of nodes that was found cannot be used, and the last one stays: correct it where it comes from");
                    self.told.nodes.clone_from(&answer.nodes);
                }
                Err(_) => return,
            }
        }
        // Again and again: the node may not have been in the list, or may have been restarted, when it was said first.
        if let (Some(leader), Some(shared)) = (&answer.leader, weak.upgrade())
            && let Some(node) = by_name(&shared).get(leader.as_str())
            && (answer.leader != self.told.leader
                || shared
                    .snapshot
                    .primary_node()
                    .is_none_or(|now| now.id != *node))
        {
            shared.order(HandleOrder::Promoted(*node));
        }
        self.told.leader.clone_from(&answer.leader);
    }

    /// Once, until there is an answer again.
    fn warn(&mut self, why: &NoAnswer, config: &Config) {
        if !std::mem::replace(&mut self.warned, true) {
            let source = config.setting("discovery");
            tracing::warn!(%why, "the list of nodes could not be read: the last one stays; check {source}");
        }
    }
}

fn by_name(shared: &Shared) -> BTreeMap<String, NodeId> {
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.view.nodes().iter();
    nodes.map(|node| (node.name.to_string(), node.id)).collect()
}
