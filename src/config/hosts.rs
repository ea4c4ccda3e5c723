//! Where discovered nodes may be (`SEALANE_DISCOVERY_HOSTS`).

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// One item of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedHosts {
    /// An address is a network of one.
    Network(IpNet),
    /// In small letters.
    Name(String),
    /// All names that end so: a dot and a domain.
    Below(String),
}

impl FromStr for AllowedHosts {
    type Err = String;

    /// The text is not quoted: in the wrong place it may be a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let (below, domain) = match name.strip_prefix('*') {
            Some(domain) => (true, domain.strip_prefix('.').unwrap_or_default()),
            None => (false, name.as_str()),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let labels = |domain: &str| {
            domain
                .split('.')
                .all(|label| !label.is_empty() && label.chars().all(fits))
        };
        // All digits and dots would be a mistyped address.
        let looks_like_address = domain.chars().all(|c| c.is_ascii_digit() || c == '.');
        if !labels(domain) || looks_like_address {
            return Err(
                "must hold names of hosts, `*.` before a domain, addresses or networks like `10.1.0.0/16`"
                    .to_owned(),
            );
        }
        Ok(match below {
            true => Self::Below(format!(".{domain}")),
            false => Self::Name(name),
        })
    }
}

impl AllowedHosts {
    fn has(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        // An address of the old kind in the new kind's notation is the same host.
        let address = bare.parse::<IpAddr>().ok();
        match (self, address) {
            (Self::Network(network), Some(address)) => {
                network.contains(&address) || network.contains(&address.to_canonical())
            }
            (Self::Network(_), None) | (Self::Name(_) | Self::Below(_), Some(_)) => false,
            (Self::Name(name), None) => host.trim_end_matches('.').eq_ignore_ascii_case(name),
            (Self::Below(end), None) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                host.len() > end.len() && host.ends_with(end.as_str())
            }
        }
    }
}

/// Whether a discovered node may be there. An empty list allows all; a node without a host is nowhere else than here.
pub(crate) fn is_allowed(allowed: &[String], host: Option<&str>) -> bool {
    let Some(host) = host.filter(|_| !allowed.is_empty()) else {
        return true;
    };
    let mut parsed = allowed.iter().filter_map(|text| text.parse().ok());
    parsed.any(|one: AllowedHosts| one.has(host))
}

#[cfg(test)]
#[path = "../../tests/pure/config/hosts.rs"]
mod tests;
