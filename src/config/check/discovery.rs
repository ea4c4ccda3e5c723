//! What discovery needs of what stands beside it.

use super::{super::problems::Problems, Config, Discovery, SettingSource};

/// The addresses of Patroni, where that names the nodes.
fn patroni(config: &Config) -> Option<Vec<&str>> {
    match &config.discovery {
        Discovery::Patroni(urls) => Some(urls.split(',').map(str::trim).collect()),
        _ => None,
    }
}

/// The files that are for Patroni's interface, and whether they are given.
fn files(config: &Config) -> [(&'static str, bool); 4] {
    [
        ("discovery_ca", config.discovery_ca.is_some()),
        ("discovery_cert", config.discovery_cert.is_some()),
        ("discovery_key", config.discovery_key.is_some()),
        (
            "discovery_login_file",
            config.discovery_login_file.is_some(),
        ),
    ]
}

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let Some(addresses) = patroni(config) else {
        return;
    };
    let secure = |address: &&str| address.starts_with("https://");
    if !problems.has("discovery")
        && addresses.iter().any(secure)
        && !cfg!(any(
            feature = "runtime-tokio-rustls",
            feature = "runtime-tokio-native-tls"
        ))
    {
        problems.add(
            "discovery",
            "names an address by https, which needs the Cargo feature `runtime-tokio-rustls` or \
             `runtime-tokio-native-tls` of sealane",
        );
    }
    let discovery = problems.source().name("discovery");
    for (field, is_given) in files(config) {
        if is_given && !addresses.iter().all(secure) && !problems.has(field) {
            let message =
                format!("is set, and {discovery} names an address without https: name all by it");
            problems.add(field, message);
        }
    }
    let pair = [
        ("discovery_cert", &config.discovery_cert),
        ("discovery_key", &config.discovery_key),
    ];
    for ((field, file), (other, its)) in [(pair[0], pair[1]), (pair[1], pair[0])] {
        if file.is_some() && its.is_none() && !problems.has(field) {
            let other = problems.source().name(other);
            problems.add(
                field,
                format!("is set, and {other} is not: they go together"),
            );
        }
    }
}

/// What has no effect.
pub(super) fn doubts(config: &Config, source: &SettingSource) -> Vec<String> {
    let discovery = source.name("discovery");
    let mut doubts = Vec::new();
    if !config.discovery_hosts.is_empty() && config.discovery == Discovery::Static {
        let name = source.name("discovery_hosts");
        doubts.push(format!(
            "{name}: has no effect, since {discovery} names no nodes"
        ));
    }
    if config.idle_after.is_some() && config.discovery != Discovery::Static {
        let name = source.name("idle_after");
        doubts.push(format!(
            "{name}: has no effect, since {discovery} asks again and again which nodes there are, and that goes on: leave one of \
             the two out, and name every node where the cluster is to sleep"
        ));
    }
    if patroni(config).is_none() {
        let given = files(config).into_iter().filter(|(_, is_given)| *is_given);
        doubts.extend(given.map(|(field, _)| {
            let name = source.name(field);
            format!(
                "{name}: has no effect, since it is for Patroni, which {discovery} does not name"
            )
        }));
    }
    doubts
}
