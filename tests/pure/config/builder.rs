//! The builder, nodes made by hand, and a caller's `ConnectOptions`.

use std::time::Duration;

use sea_orm::ConnectOptions;

use crate::config::check::nodes::arrange;
use crate::{Config, NodeConfig, Role};

const PRIMARY: &str = "postgres://app:secret@db1/app";

fn lines(result: Result<Config, crate::ConfigError>) -> Vec<String> {
    let text = result.unwrap_err().to_string();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_builder_and_the_environment_make_the_same() {
    let built = Config::builder()
        .primary(PRIMARY)
        .replicas(["db2", "db3?weight=2"])
        .primary_weight(1)
        .max_connections(40)
        .statement_timeout(Duration::from_secs(30))
        .catalog_refresh(Duration::ZERO)
        .zone("a")
        .read_functions(["f"])
        .build()
        .unwrap();
    let read = Config::from_vars(
        [
            ("DATABASE_URL", PRIMARY),
            ("DATABASE_REPLICA_URLS", "db2,db3?weight=2"),
            ("SEALANE_PRIMARY_WEIGHT", "1"),
            ("SEALANE_MAX_CONNECTIONS", "40"),
            ("SEALANE_STATEMENT_TIMEOUT", "30s"),
            ("SEALANE_CATALOG_REFRESH", "0"),
            ("SEALANE_ZONE", "a"),
            ("SEALANE_READ_FUNCTIONS", "f"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
    .unwrap();
    let values = |config: &Config| -> Vec<String> {
        config
            .effective()
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    };
    assert_eq!(values(&built), values(&read));
    assert_eq!(built.catalog_refresh, None);
}

#[test]
fn the_builder_reports_all_problems_under_its_own_names() {
    let problems = lines(
        Config::builder()
            .replica("db2:x")
            .max_connections(0)
            .eject_first(Duration::from_mins(1))
            .retry_percent(101)
            .build(),
    );
    let expected = [
        "primary: is not set; for example postgres://",
        "replicas: has a port that is not a number",
        "max_connections: must be between 1 and 10000, is 0; for example 10",
        "retry_percent: must be between 0 and 100, is 101; for example 10",
        "eject_first: is 1m and must be at most eject_max, which is 30s; for example 100ms",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn two_primaries_are_one_too_many() {
    let second = NodeConfig::primary("postgres://db2/app").unwrap();
    let problems = lines(
        Config::builder()
            .primary(PRIMARY)
            .node(second.clone())
            .build(),
    );
    assert!(problems[0].starts_with("primary: is given more than once"));
    let first = NodeConfig::primary(PRIMARY).unwrap();
    assert!(arrange([first, second]).is_err());
    assert!(arrange([]).unwrap_err().to_string().contains("is missing"));
}

/// The check of a change of topology is the check of a configuration.
#[test]
fn nodes_are_arranged_as_in_a_configuration() {
    let primary = NodeConfig::primary(PRIMARY).unwrap();
    let replica = primary.replica_like("db2").unwrap();
    let same = primary.replica_like("db1:5432").unwrap();
    let arranged = arrange([replica.clone(), primary.clone(), same]).unwrap();
    assert_eq!(arranged.primary.role(), Role::Primary);
    assert_eq!(arranged.replicas, std::slice::from_ref(&replica));
    assert_eq!(
        arranged.warnings,
        ["replicas: item 2 (db1:5432) is the primary; it is left out"]
    );

    let heavy = replica.clone().with_weight(1001).with_name("a b");
    let error = arrange([primary.with_weight(2000), heavy, replica]).unwrap_err();
    let text = error.to_string();
    for part in [
        "primary: the node: its weight must be between 0 and 1000, is 2000",
        "replicas: item 1 (db2): its name must be a name",
        "replicas: item 1 (db2): its weight must be between 0 and 1000, is 1001",
        "replicas: item 2 (db2) is the same node as item 1",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn changed_fields_are_checked_again() {
    let mut config = Config::builder().primary(PRIMARY).build().unwrap();
    config.max_connections = 0;
    config
        .replicas
        .push(config.primary.replica_like("db1").unwrap());
    let error = config.validate().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("max_connections: must be between")
    );
    config.max_connections = 10;
    let config = config.validated().unwrap();
    assert!(config.replicas.is_empty());
    assert_eq!(config.warnings().len(), 1);
    assert_eq!(config.validated().unwrap().warnings().len(), 1);
}

#[test]
fn a_template_stands_between_explicit_values_and_defaults() {
    let mut template = ConnectOptions::new(PRIMARY);
    template
        .max_connections(3)
        .connect_timeout(Duration::from_secs(9))
        .idle_timeout(None::<Duration>)
        .statement_timeout(Duration::from_secs(7))
        .test_before_acquire(false);
    let config = Config::builder()
        .connect_options(template.clone())
        .max_lifetime(Duration::from_mins(1))
        .build()
        .unwrap();
    assert_eq!(config.primary.url.host(), Some("db1"));
    assert_eq!(config.max_connections, 3);
    assert_eq!(config.replica_max_connections, 3);
    assert_eq!(config.diversion_limit, 1);
    assert_eq!(config.min_connections, 1);
    assert_eq!(config.acquire_timeout, Duration::from_secs(9));
    assert_eq!(config.replica_acquire_timeout, Duration::from_millis(500));
    assert_eq!(config.idle_timeout, None);
    assert_eq!(config.max_lifetime, Some(Duration::from_mins(1)));
    assert_eq!(config.statement_timeout, Some(Duration::from_secs(7)));
    assert_eq!(config.ping_after_idle, None);

    let config = Config::builder()
        .primary("postgres://db9/app")
        .max_connections(8)
        .connect_options(template)
        .build()
        .unwrap();
    assert_eq!(config.primary.url.host(), Some("db9"));
    assert_eq!(config.max_connections, 8);
}

#[test]
fn a_short_acquire_timeout_of_a_template_reaches_the_replicas() {
    let mut template = ConnectOptions::new(PRIMARY);
    template.acquire_timeout(Duration::from_millis(100));
    let config = Config::builder().connect_options(template).build().unwrap();
    assert_eq!(config.acquire_timeout, Duration::from_millis(100));
    assert_eq!(config.replica_acquire_timeout, Duration::from_millis(100));
}

/// `Database::connect(opt)`: the primary from the caller, whatever `DATABASE_URL` says.
#[test]
fn with_connect_options_the_environment_gives_replicas_and_tuning() {
    let variables = [
        ("DATABASE_URL", "mssql://somewhere:else"),
        ("DATABASE_REPLICA_URLS", "db2"),
        ("SEALANE_MAX_CONNECTIONS", "5"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut options = ConnectOptions::new(PRIMARY);
    options.max_connections(3).min_connections(2);
    let config = Config::from_vars_with_options(options, variables.clone()).unwrap();
    assert_eq!(
        config.replicas[0].url.to_string(),
        "postgres://app:***@db2/app"
    );
    assert_eq!((config.min_connections, config.max_connections), (2, 5));

    let broken = ConnectOptions::new("db1:5432/app");
    let error = Config::from_vars_with_options(broken, variables).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("connect_options: its URL has no scheme"),
        "{error}"
    );
}
