//! The pools, as the conventions measure them: read when the application's reader asks, from counts that are kept anyway.
//!
//! A pool is a node's, under the node's name. How long connections take to be made is not given: the driver opens them by
//! itself and does not tell when it began.

use std::sync::{Arc, Weak};

use opentelemetry::{KeyValue, metrics::Meter};

use crate::{cluster::shared::Shared, node::PoolSize, vocabulary::FailureKind};

/// What an instrument shows of one pool.
type PoolCount = fn(&Shared, PoolSize) -> u32;

const POOL: &str = "db.client.connection.pool.name";
const STATE: &str = "db.client.connection.state";

/// Lets the meter read the pools for as long as the cluster is there.
pub(super) fn observe(shared: &Arc<Shared>, meter: &Meter) {
    let counts = Arc::downgrade(shared);
    meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_unit("{connection}")
        .with_description("Connections of a node's pools, idle and used")
        .with_callback(move |out| {
            for_each(&counts, |_, name, pool| {
                let used = pool.size.saturating_sub(pool.idle);
                for (state, count) in [("idle", pool.idle), ("used", used)] {
                    let of = [
                        KeyValue::new(POOL, Arc::clone(name)),
                        KeyValue::new(STATE, state),
                    ];
                    out.observe(count.into(), &of);
                }
            });
        })
        .build();
    let bounds: [(&str, &str, PoolCount); 3] = [
        (
            "db.client.connection.max",
            "The most connections that a node's pools may open",
            |_, pool| pool.max,
        ),
        (
            "db.client.connection.idle.max",
            "The most connections that may be idle: all",
            |_, pool| pool.max,
        ),
        (
            "db.client.connection.idle.min",
            "Connections that are kept open while nothing runs",
            |shared, pool| shared.config.min_connections.min(pool.max),
        ),
    ];
    for (name, text, shown) in bounds {
        let weak = Arc::downgrade(shared);
        meter
            .i64_observable_up_down_counter(name)
            .with_unit("{connection}")
            .with_description(text)
            .with_callback(move |out| {
                for_each(&weak, |shared, name, pool| {
                    let of = [KeyValue::new(POOL, Arc::clone(name))];
                    out.observe(shown(shared, pool).into(), &of);
                });
            })
            .build();
    }
    observe_waits(shared, meter);
}

/// Who waits for a connection, and who has waited in vain.
fn observe_waits(shared: &Arc<Shared>, meter: &Meter) {
    let pending = Arc::downgrade(shared);
    meter
        .i64_observable_up_down_counter("db.client.connection.pending_requests")
        .with_unit("{request}")
        .with_description("Statements that stand in line for a connection of the node")
        .with_callback(move |out| {
            let Some(shared) = pending.upgrade() else {
                return;
            };
            for node in shared.snapshot.load().nodes() {
                let of = [KeyValue::new(POOL, Arc::clone(&node.seen.name))];
                out.observe(node.member.node.in_line().into(), &of);
            }
        })
        .build();
    let timeouts = Arc::downgrade(shared);
    meter
        .u64_observable_counter("db.client.connection.timeouts")
        .with_unit("{timeout}")
        .with_description("Statements that had no connection of the node in time")
        .with_callback(move |out| {
            let Some(shared) = timeouts.upgrade() else {
                return;
            };
            for node in shared.snapshot.load().nodes() {
                let of = [KeyValue::new(POOL, Arc::clone(&node.seen.name))];
                let totals = node.member.metrics.totals();
                out.observe(totals.failed(FailureKind::AcquireTimeout), &of);
            }
        })
        .build();
}

fn for_each(shared: &Weak<Shared>, mut tell: impl FnMut(&Shared, &Arc<str>, PoolSize)) {
    if let Some(shared) = shared.upgrade() {
        for node in shared.snapshot.load().nodes() {
            tell(&shared, &node.seen.name, node.pool_size());
        }
    }
}
