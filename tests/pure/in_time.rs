//! Whether an answer came in time, in a process that has none to look for it (rule T6).

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::backend::in_time;

const LIMIT: Duration = Duration::from_millis(50);

/// Takes the only thread of the runtime for so long.
fn hold_up(time: Duration) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { std::thread::sleep(time) })
}

#[tokio::test]
async fn a_limit_that_was_told_late_proves_nothing() {
    let come = Arc::new(Notify::new());
    let busy = hold_up(Duration::from_millis(600));
    let answers = Arc::clone(&come);
    let answer = tokio::spawn(async move {
        // The limit is told first, long after it was over.
        busy.await.unwrap();
        tokio::time::sleep(LIMIT / 5).await;
        answers.notify_one();
    });
    assert_eq!(in_time(LIMIT, pin!(come.notified())).await, Some(()));
    answer.await.unwrap();
}

#[tokio::test]
async fn a_limit_that_was_told_in_time_holds() {
    let begun = Instant::now();
    let silent = std::future::pending::<()>();
    assert_eq!(in_time(LIMIT, pin!(silent)).await, None);
    assert!(begun.elapsed() >= LIMIT);
}

#[tokio::test]
async fn a_process_that_never_has_time_is_told_in_the_end() {
    let busy = tokio::spawn(async {
        loop {
            std::thread::sleep(Duration::from_millis(400));
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(
        in_time(LIMIT, pin!(std::future::pending::<()>())).await,
        None
    );
    busy.abort();
}
