//! What a statement's measurements say, where the application has given its meter.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry::KeyValue;

use super::{beginning::SpanBeginning, destination::Destination, failure::StatementFailure};
use crate::{metrics::Meters, node::Node};

/// What its measurements say of a statement besides where it went.
pub(super) struct Measured {
    meters: Arc<Meters>,
    of: Vec<KeyValue>,
    waited: Option<Duration>,
    used: Option<MeasuredUse>,
}

/// A connection that is used until this is dropped.
pub(crate) struct MeasuredUse {
    meters: Arc<Meters>,
    node: Arc<Node>,
    since: Instant,
}

impl Drop for MeasuredUse {
    fn drop(&mut self) {
        let seconds = self.since.elapsed().as_secs_f64();
        self.meters.used(seconds, &pool(&self.node));
    }
}

fn pool(node: &Node) -> [KeyValue; 1] {
    let name = Arc::clone(&node.name);
    [KeyValue::new("db.client.connection.pool.name", name)]
}

impl Measured {
    pub(super) fn begin(meters: &Arc<Meters>, beginning: &SpanBeginning<'_>) -> Self {
        let endpoints = &beginning.otel.endpoints;
        let text = |key: &'static str, value: &Option<Arc<str>>| {
            let value = value.as_ref();
            value.map(|value| KeyValue::new(key, Arc::clone(value)))
        };
        let port = endpoints.port.map(i64::from);
        let of = [
            Some(KeyValue::new("db.system.name", beginning.system)),
            text("db.namespace", &endpoints.namespace),
            text("server.address", &endpoints.address),
            port.map(|port| KeyValue::new("server.port", port)),
            text("db.query.summary", &beginning.summary),
            beginning
                .operation
                .map(|name| KeyValue::new("db.operation.name", name)),
        ];
        Self {
            meters: Arc::clone(meters),
            of: of.into_iter().flatten().collect(),
            waited: None,
            used: None,
        }
    }

    /// A connection of this node is had.
    pub(super) fn connected(&mut self, waited: Duration, to: Option<&Destination>) {
        self.waited = Some(waited);
        self.used = to.map(|to| MeasuredUse {
            meters: Arc::clone(&self.meters),
            node: Arc::clone(&to.node),
            since: Instant::now(),
        });
    }

    /// The connection goes on being used when the statement is over.
    pub(super) fn take_use(&mut self) -> Option<MeasuredUse> {
        self.used.take()
    }

    /// The statement is over.
    pub(super) fn end(
        self,
        took: Duration,
        to: Option<&Destination>,
        rows: Option<u64>,
        failure: Option<&StatementFailure>,
    ) {
        let Self {
            meters,
            mut of,
            waited,
            used,
        } = self;
        drop(used);
        if let Some(to) = to {
            if let Some(waited) = waited {
                meters.waited(waited.as_secs_f64(), &pool(&to.node));
            }
            of.push(KeyValue::new("sealane.node", Arc::clone(&to.node.name)));
            of.push(KeyValue::new("sealane.role", to.role.as_str()));
            if let Some((host, port)) = to.peer() {
                of.push(KeyValue::new("network.peer.address", host));
                of.extend(port.map(|port| KeyValue::new("network.peer.port", i64::from(port))));
            }
        }
        if let Some(StatementFailure { kind, code }) = failure {
            of.push(KeyValue::new("error.type", kind.clone().into_owned()));
            of.extend(
                code.clone()
                    .map(|code| KeyValue::new("db.response.status_code", code)),
            );
        }
        meters.ended(took.as_secs_f64(), rows, &of);
    }
}
