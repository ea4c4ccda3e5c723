//! The routed handle on real servers: a primary and streaming standbys of PostgreSQL, and in `mariadb` one with its replicas.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test's failure is its report"
)]

mod after_the_write;
mod app;
mod availability;
mod catalog;
mod causal;
mod churn;
mod close;
mod concrete;
mod concrete_unseen;
mod connections;
mod crashes;
mod credentials;
mod credentials_faults;
#[cfg(feature = "discovery")]
mod discovery;
#[cfg(feature = "cli")]
mod doctor;
mod drop_in_pool;
mod failover;
mod faults_connections;
mod faults_primary;
mod faults_replicas;
mod faults_start;
mod flavour;
mod grants;
#[cfg(feature = "tower")]
mod health;
mod history;
mod identity;
mod idle;
mod idle_closed;
mod idle_stack;
mod lines;
mod mariadb;
mod mistakes;
mod options;
mod poolers;
mod prepared;
mod read_only_default;
mod reader_endpoint;
mod replica_transactions;
#[cfg(feature = "testing")]
mod rolled_back;
mod rotation;
mod safety_net;
mod serializable;
mod shadow;
mod smoke;
mod start_late;
mod statement_errors;
mod statement_limit;
mod storm;
mod support;
mod swaps;
mod tagged;
mod tenants;
#[cfg(feature = "testing")]
mod test_cluster;
mod time_pin;
mod timeouts;
#[cfg(feature = "cli")]
mod top;
mod transactions;
mod unreachable;
#[cfg(feature = "tower")]
mod web;

// The tests say `crate::place` and so on.
use support::{balancer, crash, faults, fixture, heard, place};
