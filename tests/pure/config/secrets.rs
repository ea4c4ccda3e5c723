//! A canary in the place of the password never shows, however the text around it is broken.
//!
//! Promise of every error, of `Debug` and of the log line.

use proptest::prelude::*;
use sea_orm::ConnectOptions;

use crate::config::redact::mask;
use crate::config::table::variables;
use crate::{Config, ConfigError, NodeConfig};

const CANARY: &str = "zq7canary";

fn assert_hidden(what: &str, text: &str, input: &str) {
    assert!(
        !text.contains(CANARY),
        "{what} shows the canary of {input:?}:\n{text}"
    );
}

fn assert_error_hidden(error: &ConfigError, input: &str) {
    assert_hidden("Display", &error.to_string(), input);
    assert_hidden("Debug", &format!("{error:?}"), input);
    for problem in error.problems() {
        assert_hidden("Problem", &format!("{problem} {problem:?}"), input);
    }
}

fn assert_config_hidden(config: &Config, input: &str) {
    assert_hidden("Display", &config.to_string(), input);
    assert_hidden("Debug", &format!("{config:?} {config:#?}"), input);
    assert_hidden("effective", &format!("{:?}", config.effective()), input);
    assert_hidden("warnings", &config.warnings().join("\n"), input);
    for node in config.replicas.iter().chain([&config.primary]) {
        assert_hidden("NodeConfig", &format!("{node:?} {}", node.url), input);
        assert_hidden("address", &node.url.shown_address(), input);
        assert_hidden("endpoint", &node.endpoint().to_string(), input);
    }
}

fn check(variables: &[(&str, &str)], input: &str) {
    let given = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match Config::from_vars(given) {
        Ok(config) => {
            assert_config_hidden(&config, input);
            assert_hidden("a copy", &format!("{:?}", config.clone().validate()), input);
        }
        Err(error) => assert_error_hidden(&error, input),
    }
}

/// Every way in that takes a URL.
fn check_everywhere(url: &str) {
    check(&[("DATABASE_URL", url)], url);
    check(
        &[
            ("DATABASE_URL", url),
            ("DATABASE_REPLICA_URLS", "db2 db2:x db2"),
        ],
        url,
    );
    check(
        &[
            ("DATABASE_URL", "postgres://db1/app"),
            ("DATABASE_REPLICA_URL", url),
        ],
        url,
    );
    let list = format!("db2,{url},{url}");
    check(
        &[
            ("DATABASE_URL", "postgres://db1/app"),
            ("DATABASE_REPLICA_URLS", &list),
        ],
        url,
    );
    for node in [NodeConfig::primary(url), NodeConfig::replica(url)] {
        match node {
            Ok(node) => {
                assert_hidden("NodeConfig", &format!("{node:?} {}", node.url), url);
                // A user must reach the server; what SeaORM prints of it was not written as a password.
                if !node.url.user().is_some_and(|user| user.contains(CANARY)) {
                    assert_hidden("what SeaORM gets", &node.url.without_password(), url);
                }
            }
            Err(error) => assert_error_hidden(&error, url),
        }
    }
    let builder = Config::builder().primary(url).replica(url);
    assert_hidden("Builder", &format!("{builder:?}"), url);
    if let Err(error) = builder.build() {
        assert_error_hidden(&error, url);
    }
    match Config::builder()
        .connect_options(ConnectOptions::new(url))
        .build()
    {
        Ok(config) => assert_config_hidden(&config, url),
        Err(error) => assert_error_hidden(&error, url),
    }
    #[cfg(feature = "serde")]
    {
        let json = serde_json::json!({ "primary": url, "replicas": [url, "db:x"], "pin": url });
        if let Err(error) = serde_json::from_value::<Config>(json) {
            assert_hidden("serde", &format!("{error} {error:?}"), url);
        }
    }
}

/// URLs that were seen broken like this, or that a lenient parser takes apart in the wrong place.
#[test]
fn broken_urls_do_not_show_their_password() {
    for url in include_str!("broken.txt")
        .lines()
        .filter(|line| !line.is_empty())
    {
        assert!(url.contains(CANARY), "{url}");
        check_everywhere(url);
        // A foreign text is masked by its shape alone.
        if stands_as_password(url) {
            assert_hidden("mask", &mask(&format!("cannot parse '{url}'")), url);
        }
    }
}

/// A secret that was put into the wrong variable.
#[test]
fn no_variable_quotes_a_refused_value() {
    for (name, setting) in variables() {
        // Names of zones, functions and hosts are shown because that is what they are for.
        if matches!(
            setting.field,
            "zone" | "cluster_name" | "read_functions" | "primary_functions" | "discovery_hosts"
        ) {
            continue;
        }
        let mut values = vec![format!("postgres://u:{CANARY}@h:x/d")];
        // A bare word in the place of a replica is the name of a host.
        if !matches!(setting.field, "replicas" | "replica") {
            values.push(CANARY.to_owned());
        }
        for value in values {
            check(
                &[("DATABASE_URL", "postgres://db1/app"), (name, &value)],
                &value,
            );
            check(&[(name, &value)], &value);
        }
    }
    let url = format!("postgres://u:{CANARY}@h/d");
    for name in [
        "SEALANE_ZONE",
        "SEALANE_CLUSTER_NAME",
        "SEALANE_READ_FUNCTIONS",
        "SEALANE_DISCOVERY_HOSTS",
        "SEALANE_PASSWORD",
        "DATABASE_REPLICA_URI",
    ] {
        check(
            &[("DATABASE_URL", "postgres://db1/app"), (name, &url)],
            &url,
        );
    }
}

/// One way to break a text.
#[derive(Clone, Debug)]
enum Mangle {
    Insert(usize, char),
    Remove(usize),
    Swap(usize),
    Cut(usize),
}

fn mangled(url: &str, mangles: &[Mangle]) -> String {
    let mut chars: Vec<char> = url.chars().collect();
    for mangle in mangles {
        let length = chars.len().max(1);
        match *mangle {
            Mangle::Insert(at, char) => chars.insert(at % (chars.len() + 1), char),
            Mangle::Remove(at) if !chars.is_empty() => {
                chars.remove(at % length);
            }
            Mangle::Swap(at) if chars.len() > 1 => {
                let at = at % (length - 1);
                chars.swap(at, at + 1);
            }
            Mangle::Cut(at) => chars.truncate(length - at % 4 % length),
            Mangle::Remove(_) | Mangle::Swap(_) => {}
        }
    }
    chars.into_iter().collect()
}

/// Whether something around the canary still says that it is a password. A broken canary is none, and without the
/// `@` behind it and the word before it, it may as well be the name of a host.
fn stands_as_password(url: &str) -> bool {
    url.split_once(CANARY).is_some_and(|(before, after)| {
        after.contains('@') || before.to_ascii_lowercase().ends_with("password=")
    })
}

fn mangle() -> impl Strategy<Value = Mangle> {
    let character = prop::sample::select(" ,;:@/?#[]%&=\\'\"\t\n.0aü".chars().collect::<Vec<_>>());
    prop_oneof![
        4 => (0usize..200, character).prop_map(|(at, char)| Mangle::Insert(at, char)),
        2 => (0usize..200).prop_map(Mangle::Remove),
        2 => (0usize..200).prop_map(Mangle::Swap),
        1 => (0usize..200).prop_map(Mangle::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_urls_do_not_show_their_password(
        base in prop::sample::select(vec![
            "postgres://user:zq7canary@host:5432/db?sslmode=require",
            "postgres://user:1zq7canary@host/db",
            "postgresql://user:a@b:zq7canary!@[::1]:5432/db?weight=3",
            "postgres:///db?host=/run/pg&user=u&password=zq7canary",
            "mysql://user:zq7canary@host:3306/db",
            "mysql:///user:zq7canary?@host:3306/db",
        ]),
        mangles in prop::collection::vec(mangle(), 0..4),
    ) {
        let url = mangled(base, &mangles);
        if stands_as_password(&url) {
            check_everywhere(&url);
        }
    }
}
