//! A node's URL is written by hand, and often wrong.

use sealane::NodeConfig;

use crate::{PASSWORD, hides};

const SCHEMES: [&str; 6] = [
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "sqlite",
    "Postgres",
];

/// Makes a URL out of two lines, what stands before the password and what behind, by the scheme that the first byte names. The bytes
/// are read as a URL themselves, too.
pub fn check(bytes: &[u8]) {
    let Some((scheme, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let _ = (NodeConfig::primary(text), NodeConfig::replica(text));
    let (user, behind) = text.split_once('\n').unwrap_or(("app", text));
    if text.contains(PASSWORD) {
        return;
    }
    let scheme = SCHEMES[usize::from(*scheme) % SCHEMES.len()];
    let url = format!("{scheme}://{user}:{PASSWORD}@{behind}");
    for node in [NodeConfig::primary(&url), NodeConfig::replica(&url)] {
        match node {
            Ok(node) => hides("Debug of the node", &format!("{node:?}")),
            Err(err) => {
                hides("the error", &err.to_string());
                hides("Debug of the error", &format!("{err:?}"));
            }
        }
    }
}
