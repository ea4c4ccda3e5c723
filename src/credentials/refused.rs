//! A login that a server refuses is tried again, with other credentials where there are any.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::{NodeCredentials, provider::Credentials};

/// Between two tries with credentials that were refused; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The login of one attempt to connect, over all its tries.
pub(crate) struct Login {
    from: Arc<NodeCredentials>,
    /// Which credentials it was tried with.
    number: u64,
    /// Until when a refused login is tried again.
    until: Option<Instant>,
    pause: Duration,
}

impl Login {
    /// With what a pool has by now, which is told of others as soon as they are there.
    pub(crate) fn new(from: &Arc<NodeCredentials>) -> Self {
        Self {
            from: Arc::clone(from),
            number: from.number(),
            until: None,
            pause: FIRST_PAUSE,
        }
    }

    /// What to log in with now.
    pub(crate) async fn credentials(&mut self) -> Result<Credentials, DbErr> {
        let version = self.from.current().await?;
        self.number = version.number;
        Ok(version.credentials)
    }

    /// Whether to try again now, after a refusal: there are other credentials, or may soon be. Nothing of a statement was sent.
    pub(crate) async fn try_again(&mut self) -> bool {
        // Less than a connection may take: whoever waits for that is to hear of the refusal.
        let most = self.from.limit() / 4 * 3;
        let until = *self.until.get_or_insert_with(|| Instant::now() + most);
        let refused = self.number;
        let left = until.saturating_duration_since(Instant::now());
        // Where that fails now it may not the next time: a file is just being written, a vault comes back.
        if let Ok(Ok(number)) = tokio::time::timeout(left, self.from.after_refusal(refused)).await {
            self.number = number;
        }
        if self.number != refused {
            return true;
        }
        if Instant::now() + self.pause >= until {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
