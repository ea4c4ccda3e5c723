//! The routed handle on a MariaDB primary and two replicas that follow it by GTID. What each server was sent is counted in the
//! server's own log.

mod again;
mod conflict;
mod demoted;
#[cfg(feature = "cli")]
mod doctor;
mod errors;
mod failover;
mod fence;
mod first;
mod follow;
mod holds;
mod intent;
mod lag;
mod late_start;
mod logs;
mod own_writes;
mod positions;
mod routing;
mod stage;
