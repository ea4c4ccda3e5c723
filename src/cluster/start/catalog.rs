//! What a cluster learns before its first statement: which one it is, and its catalog.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use sea_orm::DbBackend;
use tokio::time::timeout;

use super::Starting;
use crate::{
    backend,
    config::Config,
    intent::{Classifier, Knowledge},
    signal::{self, Silence},
    state::{Event, Moment, reduce::reduce},
    vocabulary::Role,
};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::{cluster::source::Source, node::Node, state::View};

impl Starting {
    /// An authority's word on the primary, before anybody was asked.
    pub(super) fn nominate(&mut self, leader: Option<&str>) {
        let node = leader.and_then(|leader| {
            let mut members = self.state.members();
            members.find(|node| &*node.spec.name == leader)
        });
        if let Some(node) = node.map(|node| node.id) {
            let now = Moment(self.origin.elapsed());
            let event = Event::Promoted { node };
            let effects = reduce(&mut self.state, event, now, &mut fastrand::Rng::new());
            self.effects.extend(effects);
        }
    }

    /// Whether the pools can ask their connections whose server they lead to, or a closure of the caller's is in the way.
    #[cfg(feature = "postgres")]
    pub(super) async fn look_at_template(&self, config: &Config) {
        let nodes = self.sources.iter().filter_map(Source::config);
        let nodes = nodes.filter(|node| node.url.backend() == DbBackend::Postgres);
        crate::node::open::find_free_slot(config, nodes.collect()).await;
    }

    /// The primary, where it is asked for its position before the first statement.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn whose_positions(&self, config: &Config) -> Option<Arc<Node>> {
        let is_told = config.may_have_positions()
            && self.sources.iter().all(Source::is_ours)
            && self.state.has_positions()
            && View::new(&self.state).splits;
        let primary = self.state.primary().filter(|_| is_told)?;
        let member = self.nodes.member(primary.id)?;
        Some(Arc::clone(&member.node))
    }

    /// Reads the catalog once before the first statement, so that a start does not send every read to the primary. A
    /// start without it does with a replica's until it is there. It may take as long as an acquire: somebody may hold the
    /// catalog's tables, or the server be frozen, and no monitor runs yet.
    pub(super) async fn read_catalog(
        &mut self,
        classifier: &Classifier,
        config: &Config,
        exists: bool,
    ) {
        if !exists {
            return;
        }
        let answers = |role| {
            let mut members = self.state.members();
            members.find(|node| node.probe.seen && node.role == role && !node.is_in_doubt())
        };
        let Some(node) = answers(Role::Primary).or_else(|| answers(Role::Replica)) else {
            return;
        };
        let of_primary = node.role == Role::Primary;
        let Some(member) = self.nodes.member(node.id) else {
            return;
        };
        let reading = backend::read_catalog(&member.node, None, backend::CatalogParts::Usual);
        let late = |_| Err(Silence::on_a_connection(config.setting("acquire_timeout")));
        match timeout(config.acquire_timeout, reading)
            .await
            .unwrap_or_else(late)
        {
            Ok(read) => {
                let catalog = read.catalog(classifier.settings());
                crate::cluster::judging::say_unlisted(&catalog);
                classifier.learn(Knowledge::Known(Arc::new(catalog)));
                self.catalog_read = of_primary;
            }
            Err(err) => tracing::warn!(
                node = &*member.node.name,
                error = %signal::told(&err),
                "the server's catalog could not be read: statements that name more than its built-in functions go to the primary until it can be"
            ),
        }
    }
}
