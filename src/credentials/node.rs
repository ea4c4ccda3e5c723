//! The credentials of one node, whoever asks for them: asked for once for all who want them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::{origin::CredentialsOrigin, provider::Credentials};

/// After a refusal nobody asks for other credentials more often.
const ASK_EVERY: Duration = Duration::from_secs(1);

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
    held: Mutex<Held>,
    /// Whoever asks holds it.
    asking: tokio::sync::Mutex<()>,
    takers: Mutex<Vec<Weak<dyn TakesCredentials>>>,
}

#[derive(Default)]
struct Held {
    credentials: Option<Credentials>,
    /// Counts the logins that differ from the one before.
    version: u64,
    /// When they are asked for anew.
    due: Option<Instant>,
    /// When they were last asked for because a server had refused them.
    refused: Option<Instant>,
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

    /// What a connection logs in with now. Those that there are serve on where no others can be had.
    pub(super) async fn current(&self) -> Result<Version, DbErr> {
        let (held, is_due) = {
            let held = self.held();
            (held.version(), held.is_due(Instant::now()))
        };
        match held {
            Some(held) if !is_due => Ok(held),
            Some(held) => Ok(self.renew(false).await.unwrap_or(held)),
            None => self.renew(false).await,
        }
    }

    /// Which credentials there are after a server has refused these: others, if there are any by now.
    pub(super) async fn after_refusal(&self, of: u64) -> Result<u64, DbErr> {
        {
            let held = self.held();
            let asked = held.refused.is_some_and(|at| at.elapsed() < ASK_EVERY);
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
        {
            let mut takers = self.takers();
            takers.retain(|taker| taker.strong_count() > 0);
            takers.push(Arc::downgrade(taker));
        }
        // Whatever came between what it was made with and this.
        if let Some(version) = self.held().version() {
            taker.take(&version.credentials);
        }
    }

    /// Asks anew where it is time; when to come again, if ever.
    pub(super) async fn look_again(&self) -> Option<Instant> {
        let is_due = self.held().is_due(Instant::now());
        if is_due && let Err(err) = self.renew(false).await {
            tracing::warn!("{err}; what was given before is used on");
        }
        self.held().due
    }

    async fn renew(&self, refused: bool) -> Result<Version, DbErr> {
        let seen = self.held().version;
        let _asking = self.asking.lock().await;
        {
            // Somebody has asked meanwhile.
            let held = self.held();
            if let Some(version) = held.version().filter(|version| version.number != seen) {
                return Ok(version);
            }
        }
        let asked = Instant::now();
        let given = tokio::time::timeout(self.limit, self.origin.ask(refused)).await;
        let given = given.unwrap_or_else(|_| Err(self.origin.failed("gave no answer in time")));
        let (version, is_other) = {
            let mut held = self.held();
            if refused {
                held.refused = Some(asked);
            }
            let given = given.inspect_err(|_| {
                held.due = held.due.and(asked.checked_add(ASK_EVERY));
            });
            let due = match (
                given.as_ref().ok().and_then(|given| given.valid_for),
                &self.origin,
            ) {
                // A quarter is left for who connects meanwhile.
                (Some(time), _) => asked.checked_add(time / 4 * 3),
                (None, origin) if origin.is_asked() => None,
                (None, _) => asked.checked_add(READ_EVERY),
            };
            held.take(given?, due)
        };
        if is_other {
            let takers: Vec<_> = self.takers().iter().filter_map(Weak::upgrade).collect();
            takers
                .iter()
                .for_each(|taker| taker.take(&version.credentials));
        }
        Ok(version)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takers(&self) -> MutexGuard<'_, Vec<Weak<dyn TakesCredentials>>> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn version(&self) -> Option<Version> {
        Some(Version {
            credentials: self.credentials.clone()?,
            number: self.version,
        })
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Puts these in the place of those before; whether they are others.
    fn take(&mut self, given: Credentials, due: Option<Instant>) -> (Version, bool) {
        let before = self.credentials.as_ref();
        let is_other = before.is_none_or(|before| !before.same_login(&given));
        self.version += u64::from(is_other);
        self.due = due;
        let version = Version {
            credentials: given.clone(),
            number: self.version,
        };
        self.credentials = Some(given);
        (version, is_other)
    }
}
