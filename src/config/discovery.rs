//! Where the list of nodes comes from.

use std::{fmt, path::PathBuf};

use super::DnsQuestion;

/// Where the list of nodes comes from, beside the configuration (default: from nowhere else). Of a discovered node the
/// user, password, database and parameters are those of the configured primary's URL, and its role is found out by
/// asking it. The configured nodes serve until the first list is there.
///
/// As text: `static`, `dns`, `file=PATH`, `patroni=URL`, `aurora`. `dns` needs the Cargo feature `dns`, the others but
/// the first the feature `discovery`.
///
/// ```
/// use sealane::Discovery;
///
/// let discovery: Discovery = "patroni=http://db-1:8008,http://db-2:8008".parse()?;
/// assert_eq!(discovery.to_string(), "patroni=http://db-1:8008,http://db-2:8008");
/// assert!("consul".parse::<Discovery>().is_err());
/// # Ok::<(), sealane::ParseDiscoveryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discovery {
    /// The configured nodes.
    #[default]
    Static,
    /// DNS, asked again every `SEALANE_CHECK_INTERVAL`: `NAME[:PORT]`, separated by commas, each address (A, else AAAA) of
    /// which is a node; a name that begins with an underscore is a service, whose SRV records tell hosts, ports and, where
    /// they differ, weights. Without a name, the hosts of the configured nodes. `@ADDRESS[:PORT]` at the end is the
    /// server to ask, in the place of the system's, as Consul's `@127.0.0.1:8600`.
    ///
    /// A name that moves takes its nodes along: connections to addresses that it does not have any more are drained. Nodes
    /// are connected to by address, so `sslmode=verify-full` needs certificates that name the addresses; a
    /// service's hosts are connected to by name, unless a server to ask is named. A DNS server has to tell all addresses
    /// each time: one that answers with a few of many at random would take nodes in and out.
    Dns(String),
    /// A JSON (`.json`) or TOML file that is read again every `SEALANE_CHECK_INTERVAL`: `nodes`, each with `host` and,
    /// where wanted, `name`, `weight`, `zone` and `tags`; and `primary`, the name of the node that was made the primary, where
    /// whoever writes the file is the authority on that.
    File(PathBuf),
    /// The REST interface of Patroni, at one or several addresses separated by commas: `/cluster` tells the members and
    /// the leader. `https://` needs the feature `runtime-tokio-rustls` or `runtime-tokio-native-tls`; certificates and a
    /// login are `SEALANE_DISCOVERY_CA`, `_CERT`, `_KEY` and `_LOGIN_FILE`. No proxy of the environment is used, and no
    /// redirect is followed.
    Patroni(String),
    /// Aurora PostgreSQL's `aurora_replica_status()`, asked through the configured primary's URL, which is best the
    /// cluster's endpoint. An instance's host is its identifier in the place of the `?` in this pattern; empty, the
    /// pattern follows from the cluster's endpoint.
    Aurora(String),
}

impl Discovery {
    /// The Cargo feature without which there is none of it.
    pub(super) fn feature(&self) -> Option<(&'static str, bool)> {
        match self {
            Self::Static => None,
            Self::Dns(_) => Some(("dns", cfg!(feature = "dns"))),
            Self::File(_) | Self::Patroni(_) | Self::Aurora(_) => {
                Some(("discovery", cfg!(feature = "discovery")))
            }
        }
    }
}

/// Why a text names no source of nodes. The text is not quoted: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDiscoveryError(String);

impl fmt::Display for ParseDiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseDiscoveryError {}

impl std::str::FromStr for Discovery {
    type Err = ParseDiscoveryError;

    fn from_str(text: &str) -> Result<Self, ParseDiscoveryError> {
        parse(text).map_err(ParseDiscoveryError)
    }
}

fn parse(text: &str) -> Result<Discovery, String> {
    let (kind, rest) = text.split_once('=').unwrap_or((text, ""));
    match (kind.trim().to_ascii_lowercase().as_str(), rest.trim()) {
            ("static", "") => Ok(Discovery::Static),
            ("dns", asked) => {
                asked.parse::<DnsQuestion>()?;
                Ok(Discovery::Dns(asked.to_owned()))
            }
            ("file", path) if !path.is_empty() => Ok(Discovery::File(path.into())),
            ("patroni", url) if url.split(',').all(is_web_address) => {
                if url.contains('@') {
                    return Err(
                        "must not have a user or a password in the address of Patroni; name a file with them by SEALANE_DISCOVERY_LOGIN_FILE".to_owned(),
                    );
                }
                Ok(Discovery::Patroni(url.to_owned()))
            }
            ("aurora", pattern) if pattern.is_empty() || pattern.contains('?') => {
                Ok(Discovery::Aurora(pattern.to_owned()))
            }
            _ => Err(
                "must be static, dns, dns=NAME, file=PATH, patroni=https://HOST:PORT, aurora or aurora=?.HOST"
                    .to_owned(),
            ),
        }
}

fn is_web_address(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("https://") || text.starts_with("http://")
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static => f.write_str("static"),
            Self::Dns(asked) if asked.is_empty() => f.write_str("dns"),
            Self::Dns(asked) => write!(f, "dns={asked}"),
            Self::File(path) => write!(f, "file={}", path.display()),
            Self::Patroni(url) => write!(f, "patroni={url}"),
            Self::Aurora(pattern) if pattern.is_empty() => f.write_str("aurora"),
            Self::Aurora(pattern) => write!(f, "aurora={pattern}"),
        }
    }
}
