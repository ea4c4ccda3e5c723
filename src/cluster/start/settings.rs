//! The parts of the configuration that others own: the judge's, the reducer's.

use std::sync::Arc;

use sea_orm::DbBackend;

use crate::{
    config::Config,
    intent::Settings,
    state::{Ejection, FailoverRules, Tuning},
    vocabulary::{Failover, Flavour, OnConflict, Role},
};

/// How many statements may wait for a node before more are refused: they would only time out.
const WAITERS_LIMIT: u32 = 10_000;

/// The judge's share of the configuration.
pub(super) fn judging(config: &Config) -> Settings {
    Settings::default()
        .read_functions(&config.read_functions)
        .primary_functions(&config.primary_functions)
        .max_statement(config.max_statement_size)
        .cached_statement(config.cached_text_limit)
        .cache_bytes(config.intent_cache)
}

/// The reducer's share of the configuration.
pub(crate) fn tuning(config: &Config) -> Tuning {
    Tuning {
        enabled: config.enabled,
        primary_weight: match config.primary.role() {
            // Its share as a replica, whoever it is.
            Role::Unknown => 0,
            _ => config.primary.weight,
        },
        zone: config.zone.as_deref().map(Arc::from),
        latency_window: config.latency_window,
        ejection: Ejection {
            first_backoff: config.eject_first,
            max_backoff: config.eject_max,
            dead_after: config.dead_after,
            ramp_up: config.ramp_up,
        },
        drain_timeout: config.drain_timeout,
        warm_limit: config.warm_up_timeout,
        check_interval: config.check_interval,
        max_lag: config.max_lag,
        failover: FailoverRules {
            enabled: config.failover != Failover::Off,
            confirmed: config.failover == Failover::Confirmed,
            keep_first: config.on_conflict == OnConflict::KeepFirst,
            timeout: config.failover_timeout,
        },
        flavour: match config.primary.url.backend() {
            DbBackend::Postgres => config.flavour,
            _ => Flavour::Auto,
        },
        catalog_refresh: config.catalog_refresh,
        waiters_limit: WAITERS_LIMIT,
    }
}
