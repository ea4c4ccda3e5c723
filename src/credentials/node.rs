//! The credentials of one node, whoever asks for them: asked for once for all who want them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sea_orm::DbErr;
use tracing::Instrument;

use super::{origin::CredentialsOrigin, provider::Credentials};

/// After a refusal nobody asks for other credentials more often.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Who looks after all nodes waits no longer for one of them: the others' time goes on.
const LOOK: Duration = Duration::from_millis(250);

/// How often a file is read again. A change of a password is for the next connections, of which none may come for long.
const READ_EVERY: Duration = Duration::from_secs(1);

/// What opens connections with the credentials of a node.
pub(crate) trait TakesCredentials: Send + Sync {
    /// Opens connections with these from here on.
    fn take(&self, credentials: &Credentials);
}

/// The credentials of one node.
pub(crate) struct NodeCredentials {
    origin: CredentialsOrigin,
    limit: Duration,
    held: Mutex<HeldCredentials>,
    /// Whoever asks holds it.
    asking: tokio::sync::Mutex<()>,
    takers: Mutex<Vec<Weak<dyn TakesCredentials>>>,
}

#[derive(Default)]
struct HeldCredentials {
    credentials: Option<Credentials>,
    /// Counts the logins that differ from the one before.
    version: u64,
    /// When they are asked for anew.
    due: Option<Instant>,
    last: Option<LastAnswer>,
}

/// The last time that they were asked for.
struct LastAnswer {
    ended: Instant,
    /// Whether because a server had refused them.
    refused: bool,
    answer: Result<Version, DbErr>,
}

/// Credentials, and which ones they are.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) credentials: Credentials,
    pub(super) number: u64,
}

impl NodeCredentials {
    pub(super) fn new(origin: CredentialsOrigin, limit: Duration) -> Self {
        Self {
            origin,
            limit,
            held: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            takers: Mutex::default(),
        }
    }

    /// How long one connection may take, and so a login that is refused.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// What a connection logs in with now. Those that are about to end are renewed by who looks after them, and nobody waits
    /// for that who has some: a function that hangs would hold up connections for which the old ones do.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Version, DbErr> {
        let held = self.held().version();
        match held {
            Some(held) => Ok(held),
            None => self.renew(false).await,
        }
    }

    /// Which credentials there are after a server has refused these: others, if there are any by now.
    pub(super) async fn after_refusal(self: &Arc<Self>, of: u64) -> Result<u64, DbErr> {
        {
            let held = self.held();
            let last = held.last.as_ref().filter(|last| last.refused);
            let asked = last.is_some_and(|last| last.ended.elapsed() < ASK_EVERY);
            if let Some(version) = held.version()
                && (version.number != of || asked && self.origin.is_asked())
            {
                return Ok(version.number);
            }
        }
        Ok(self.renew(true).await?.number)
    }

    /// Which credentials there are now.
    pub(super) fn number(&self) -> u64 {
        self.held().version
    }

    /// Tells this one of other credentials for as long as it is there.
    pub(crate) fn tell(&self, taker: &Arc<dyn TakesCredentials>) {
        // Held until it has them: others that come meanwhile are told after these, never before.
        let mut takers = self.takers();
        takers.retain(|taker| taker.strong_count() > 0);
        takers.push(Arc::downgrade(taker));
        if let Some(version) = self.held().version() {
            taker.take(&version.credentials);
        }
    }

    /// Asks anew where it is time; when to come again, if ever.
    pub(super) async fn look_again(self: &Arc<Self>) -> Option<Instant> {
        let is_due = self.held().is_due(Instant::now());
        if is_due {
            // Whoever asks says what failed, and goes on after this.
            let _ = tokio::time::timeout(LOOK, self.renew(false)).await;
        }
        self.held().due
    }

    /// Asks in a task of its own: whoever waits may leave before the answer is there, and the next one finds it.
    async fn renew(self: &Arc<Self>, refused: bool) -> Result<Version, DbErr> {
        let (own, since, seen) = (Arc::clone(self), Instant::now(), self.number());
        let asking = async move {
            let _asking = own.asking.lock().await;
            match own.found_meanwhile(since, seen, refused) {
                Some(answer) => answer,
                None => own.ask(refused).await,
            }
        };
        let asked = tokio::spawn(asking.boxed().in_current_span()).await;
        asked.unwrap_or_else(|_| Err(self.origin.failed("was not asked to the end")))
    }

    /// What somebody else was answered meanwhile.
    fn found_meanwhile(
        &self,
        since: Instant,
        seen: u64,
        refused: bool,
    ) -> Option<Result<Version, DbErr>> {
        let held = self.held();
        if held.version != seen {
            return held.version().map(Ok);
        }
        let last = held.last.as_ref()?;
        let counts = last.ended >= since && (last.refused || !refused);
        counts.then(|| last.answer.clone())
    }

    /// Asks, puts the answer in its place and tells everybody.
    async fn ask(&self, refused: bool) -> Result<Version, DbErr> {
        let asked = Instant::now();
        // Less than a connection may take: who waits for one is to hear of this, and not that nothing connects.
        let given = tokio::time::timeout(self.limit / 4 * 3, self.origin.ask(refused)).await;
        let given = given.unwrap_or_else(|_| Err(self.origin.failed("gave no answer in time")));
        let before = self.number();
        let answer = {
            let mut held = self.held();
            let ended = Instant::now();
            let answer = match given {
                Ok(given) => {
                    let due = match given.valid_for {
                        // A quarter is left for who connects meanwhile.
                        Some(time) => asked.checked_add(time / 4 * 3),
                        None if self.origin.is_asked() => None,
                        None => asked.checked_add(READ_EVERY),
                    };
                    let given = self.origin.completed(given, held.credentials.as_ref());
                    Ok(held.take(given, due))
                }
                Err(err) => {
                    held.due = held.due.and(ended.checked_add(ASK_EVERY));
                    held.warn(&err);
                    Err(err)
                }
            };
            held.last = Some(LastAnswer {
                ended,
                refused,
                answer: answer.clone(),
            });
            answer
        };
        if let Ok(version) = &answer
            && version.number != before
        {
            let mut takers = self.takers();
            takers.retain(|taker| taker.strong_count() > 0);
            let all = takers.iter().filter_map(Weak::upgrade);
            all.for_each(|taker| taker.take(&version.credentials));
        }
        answer
    }

    fn held(&self) -> MutexGuard<'_, HeldCredentials> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takers(&self) -> MutexGuard<'_, Vec<Weak<dyn TakesCredentials>>> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldCredentials {
    fn version(&self) -> Option<Version> {
        Some(Version {
            credentials: self.credentials.clone()?,
            number: self.version,
        })
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Says once that others cannot be had, until something else is wrong.
    fn warn(&self, err: &DbErr) {
        let known = self
            .last
            .as_ref()
            .and_then(|last| last.answer.as_ref().err());
        if self.credentials.is_some() && known != Some(err) {
            tracing::warn!("{err}; what was given before is used on");
        }
    }

    /// Puts these in the place of those before.
    fn take(&mut self, given: Credentials, due: Option<Instant>) -> Version {
        let before = self.credentials.as_ref();
        let is_other = before.is_none_or(|before| !before.same_login(&given));
        self.version += u64::from(is_other);
        self.due = due;
        self.credentials = Some(given.clone());
        Version {
            credentials: given,
            number: self.version,
        }
    }
}
