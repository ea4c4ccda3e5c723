//! Where the list of nodes comes from.

use std::{fmt, path::PathBuf};

/// Where the list of nodes comes from, beside the configuration (default: from nowhere else). Of a discovered node the
/// user, password, database and parameters are those of the configured primary's URL, and its role is found out by
/// asking it. The configured nodes serve until the first list is there.
///
/// As text: `static`, `file=PATH`, `patroni=URL`, `aurora`; all but the first need the Cargo feature `discovery`.
///
/// ```
/// use sealane::Discovery;
///
/// let discovery: Discovery = "patroni=http://db-1:8008,http://db-2:8008".parse()?;
/// assert_eq!(discovery.to_string(), "patroni=http://db-1:8008,http://db-2:8008");
/// assert!("consul".parse::<Discovery>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discovery {
    /// The configured nodes.
    #[default]
    Static,
    /// A JSON (`.json`) or TOML file that is read again every `SEALANE_CHECK_INTERVAL`: `nodes`, each with `host` and,
    /// where wanted, `name`, `weight` and `zone`; and `primary`, the name of the node that was made the primary, where
    /// whoever writes the file is the authority on that.
    File(PathBuf),
    /// The REST interface of Patroni, at one or several addresses separated by commas: `/cluster` tells the members and
    /// the leader.
    Patroni(String),
    /// Aurora PostgreSQL's `aurora_replica_status()`, asked through the configured primary's URL, which is best the
    /// cluster's endpoint. An instance's host is its identifier in the place of the `?` in this pattern; empty, the
    /// pattern follows from the cluster's endpoint.
    Aurora(String),
}

impl std::str::FromStr for Discovery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once('=').unwrap_or((text, ""));
        match (kind.trim().to_ascii_lowercase().as_str(), rest.trim()) {
            ("static", "") => Ok(Self::Static),
            ("file", path) if !path.is_empty() => Ok(Self::File(path.into())),
            ("patroni", url) if url.split(',').all(|url| url.trim().starts_with("http://")) => {
                if url.contains('@') {
                    return Err(
                        "must not have a user or a password in the address of Patroni".to_owned(),
                    );
                }
                Ok(Self::Patroni(url.to_owned()))
            }
            ("aurora", pattern) if pattern.is_empty() || pattern.contains('?') => {
                Ok(Self::Aurora(pattern.to_owned()))
            }
            _ => Err(
                "must be static, file=PATH, patroni=http://HOST:PORT, aurora or aurora=?.HOST"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static => f.write_str("static"),
            Self::File(path) => write!(f, "file={}", path.display()),
            Self::Patroni(url) => write!(f, "patroni={url}"),
            Self::Aurora(pattern) if pattern.is_empty() => f.write_str("aurora"),
            Self::Aurora(pattern) => write!(f, "aurora={pattern}"),
        }
    }
}
