//! The routed handle on a primary and two replicas that follow it by GTID: MariaDB's or, by `tests/run --mysql`, MySQL's. What
//! each server was sent is counted in the server's own log.

mod again;
mod conflict;
mod demoted;
#[cfg(feature = "cli")]
mod doctor;
mod errors;
mod executed;
mod failover;
mod fence;
mod first;
mod follow;
mod holds;
mod intent;
mod lag;
mod late_start;
mod lock_limit;
mod logs;
mod mysql;
mod own_writes;
mod positions;
mod routing;
mod stage;
