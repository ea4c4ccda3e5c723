//! Follower reads: what lets any replica of a row serve a read, at the price of its age.

use std::time::Duration;

use super::Flavour;

/// How old CockroachDB's are: 4.2 to 4.8 s by its documentation, by its version and settings.
const COCKROACH: Duration = Duration::from_secs(5);

/// How old YugabyteDB's are unless another age is set.
const YUGABYTE: Duration = Duration::from_secs(30);

impl Flavour {
    /// What begins a transaction whose reads a follower may serve, none of them older than this; nothing where a system has
    /// no such reads, or only older ones. What a session sets for itself was rejected: the connection's next user would have it.
    pub(crate) fn follower_read(self, oldest: Option<Duration>) -> Option<String> {
        match self {
            Self::CockroachDb => oldest
                .is_none_or(|oldest| oldest >= COCKROACH)
                .then(|| "BEGIN AS OF SYSTEM TIME follower_read_timestamp()".to_owned()),
            Self::YugabyteDb => {
                let age = oldest.filter(|oldest| *oldest < YUGABYTE);
                let age = age.map(|age| {
                    let age = age.as_millis();
                    format!(
                        ", pg_catalog.set_config('yb_follower_read_staleness_ms', '{age}', true)"
                    )
                });
                Some(format!(
                    "BEGIN READ ONLY; SELECT pg_catalog.set_config('yb_read_from_followers', 'on', true){}",
                    age.unwrap_or_default()
                ))
            }
            _ => None,
        }
    }
}
