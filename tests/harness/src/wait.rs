//! Waiting for a condition, always with a deadline and with what was seen last.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{Error, Result};

/// Long enough for a loaded machine with two cores; a test that needs it all has failed anyway.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

const TICK: Duration = Duration::from_millis(4);

/// Asks `ready` until it yields a value. An error that it returns is remembered as what was seen last, not as the end:
/// a server that is just starting refuses in many ways.
pub(crate) fn until<T>(
    node: &str,
    what: &str,
    log_tail: impl Fn() -> String,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    let mut tick = TICK;
    loop {
        let last = match ready() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::new(),
            Err(end @ Error::Ended { .. }) => return Err(end),
            Err(error) => format!("; last error: {error}"),
        };
        if started.elapsed() > DEADLINE {
            return Err(Error::Deadline {
                node: node.to_owned(),
                what: what.to_owned(),
                deadline: DEADLINE,
                detail: format!("{last}; the tail of its log:\n{}", log_tail()),
            });
        }
        thread::sleep(tick);
        tick = (tick + tick / 4).min(Duration::from_millis(50));
    }
}
