//! Waiting for an answer in a process that may have no time to look for it (rule T6).

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use tokio::time::timeout;

/// How much later than asked a timer may fire in a process that has time.
const LATE: Duration = Duration::from_millis(250);

/// How often an answer has its time, where the process has none to look for it.
const CHANCES: u32 = 3;

/// Waits for an answer. A limit that was told much later than it was over says that this process had no time to look, not that
/// nothing has come: then the answer has as long once more, though not for ever.
pub(crate) async fn in_time<T>(
    limit: Duration,
    mut answer: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    for _ in 0..CHANCES {
        let begun = Instant::now();
        match timeout(limit, answer.as_mut()).await {
            Ok(answer) => return Some(answer),
            Err(_) if begun.elapsed() < limit + LATE => return None,
            Err(_) => {}
        }
    }
    None
}
