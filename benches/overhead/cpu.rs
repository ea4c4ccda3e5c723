//! CPU time of this process: the client's work, since PostgreSQL is another process. SQLite works inside this one.

use std::time::Duration;

use nix::time::ClockId;

use crate::Result;

/// User and system time of all threads so far.
pub(crate) fn used() -> Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}
