//! Names of variables that are ours by their prefix and yet unknown: typos, most of them.
//!
//! A typo that is passed over is a setting that silently does not hold, so it is an error with the nearest name.
//! Two families share our prefix and are nobody's typo: what Kubernetes injects for a service of our name, and the
//! test harness's own prefix `SEALANETEST_`, which does not begin with ours.

use super::table;

const PREFIX: &str = "SEALANE_";
const REPLICAS_PREFIX: &str = "DATABASE_REPLICA";

/// Whether a variable is one of ours or claims to be; `name` comes without the cluster's prefix.
pub(super) fn concerns_us(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.starts_with(PREFIX) || upper.starts_with(REPLICAS_PREFIX) || name == "DATABASE_URL"
}

/// Whether a name is taken for a mistake.
pub(super) fn is_unknown(name: &str, value: &str) -> bool {
    if table::variables().any(|(known, _)| known == name) || is_injected(name, value) {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    upper.starts_with(PREFIX) || is_misspelled_replicas(&upper)
}

/// Other tools may have variables that begin like our lists of replicas; only close neighbours are taken for ours.
fn is_misspelled_replicas(upper: &str) -> bool {
    let near = ["DATABASE_REPLICA_URLS", "DATABASE_REPLICA_URL"]
        .iter()
        .any(|known| strsim::osa_distance(upper, known) <= 2);
    upper.starts_with(REPLICAS_PREFIX)
        && (near || matches!(upper, "DATABASE_REPLICA" | "DATABASE_REPLICAS"))
}

/// `X_SERVICE_HOST`, `X_SERVICE_PORT…`, `X_PORT` and `X_PORT_5432_TCP…`, where X is a service named like us.
fn is_injected(name: &str, value: &str) -> bool {
    if name == "SEALANE_PORT" || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") {
        return true;
    }
    let protocol = |text: &str| {
        ["TCP", "UDP", "SCTP"]
            .iter()
            .any(|known| text.split('_').next() == Some(known))
    };
    if name.ends_with("_PORT") && !name.contains("_PORT_") {
        let scheme = value.split("://").next().unwrap_or_default();
        return protocol(&scheme.to_ascii_uppercase()) && value.contains("://");
    }
    name.split_once("_PORT_").is_some_and(|(_, rest)| {
        rest.split_once('_').is_some_and(|(port, rest)| {
            !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) && protocol(rest)
        })
    })
}

/// The known name that is nearest, if one is near enough to be meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    let (distance, known) = table::variables()
        .map(|(known, _)| (strsim::osa_distance(&upper, known), known))
        .min()?;
    // A third of what follows the prefix may differ; beyond that, any name would be near some other.
    let length = upper.strip_prefix(PREFIX).unwrap_or(&upper).chars().count();
    (distance <= (length / 3).max(2)).then_some(known)
}

/// The known field that is nearest to a key of a file.
#[cfg(feature = "serde")]
pub(super) fn nearest_field(key: &str) -> Option<&'static str> {
    let lower = key.to_ascii_lowercase();
    table::variables()
        .map(|(_, setting)| (strsim::osa_distance(&lower, setting.field), setting.field))
        .min()
        .filter(|(distance, _)| *distance <= (key.chars().count() / 3).max(2))
        .map(|(_, field)| field)
}
