//! The routed handle on real PostgreSQL servers: a primary and streaming standbys.

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
mod close;
mod closed;
mod concrete;
mod connections;
mod crashes;
#[cfg(feature = "discovery")]
mod discovery;
mod failover;
mod faults;
mod faults_connections;
mod faults_primary;
mod faults_replicas;
mod faults_start;
mod fence;
mod fixture;
mod heard;
mod history;
mod identity;
mod mistakes;
mod options;
mod phases;
mod pin;
mod place;
mod pools;
mod prepared;
mod replica_transactions;
mod rotation;
mod safety_net;
mod serializable;
mod smoke;
mod start_late;
mod storm;
mod swaps;
mod transactions;
mod unreachable;
mod unseen;
#[cfg(feature = "tower")]
mod web;
