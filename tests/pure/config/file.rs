//! A configuration from a file.

use crate::Config;

fn read(json: &str) -> Result<Config, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn a_file_holds_what_the_environment_would() {
    let config = read(
        r#"{
            "primary": "postgres://app:secret@db1/app",
            "replicas": ["db2", "db3?weight=2"],
            "max_connections": 20,
            "primary_weight": "1",
            "fence": false,
            "enabled": "on",
            "statement_timeout": "30s",
            "catalog_refresh": "0",
            "read_functions": ["f", "app.g"],
            "primary_functions": [],
            "intent_cache": "8MiB"
        }"#,
    )
    .unwrap();
    assert_eq!(config.replicas.len(), 2);
    assert_eq!(config.replicas[1].weight, 2);
    assert_eq!((config.max_connections, config.diversion_limit), (20, 10));
    assert_eq!(config.primary.weight, 1);
    assert!(!config.fence);
    assert_eq!(config.catalog_refresh, None);
    assert_eq!(config.read_functions, ["f", "app.g"]);
    assert_eq!(config.intent_cache, 8 << 20);
}

#[test]
fn all_problems_of_a_file_are_reported_under_its_keys() {
    let error = read(
        r#"{
            "primary": {"url": "postgres://app:secret@db1/app"},
            "replicas": ["db2:x"],
            "pim": "2s",
            "max_connections": -5,
            "route_timeout": 5,
            "latency_window": 1.5,
            "zone": null,
            "read_functions": ["f, g"],
            "retry_percent": 5,
            "causality": "strong"
        }"#,
    )
    .unwrap_err()
    .to_string();
    for part in [
        "primary: must be a text, a number or a bool",
        "replicas: has a port",
        "zone: must be a text",
        "max_connections: must be a whole number",
        "route_timeout: needs a unit behind the number",
        "latency_window: must be a text",
        "read_functions: has a comma or blank in an item",
        "pim: is unknown; did you mean pin?; for example 2s",
        "causality: is not a setting",
    ] {
        assert!(error.contains(part), "{part} is not in\n{error}");
    }
}

#[test]
fn a_file_that_is_no_map_is_refused_without_being_quoted() {
    for json in [
        r#""postgres://app:CANARY@db1/app""#,
        r#"["postgres://app:CANARY@db1/app"]"#,
    ] {
        let error = read(json).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("CANARY"), "{text}");
    }
}
