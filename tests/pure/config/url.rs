//! URLs: what sqlx is given, and that sqlx reads from it what it would have read from the original.

use sea_orm::DbBackend;
use serde_json::Value;

use crate::NodeConfig;
use crate::config::redact::{mask, percent_decode, percent_encode};

fn rows() -> Vec<Value> {
    include_str!("urls.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_url_is_shown_masked_and_handed_on_without_its_password() {
    for row in rows() {
        if row["url"].as_str().unwrap().starts_with("mysql") && !cfg!(feature = "mysql") {
            continue;
        }
        let node = NodeConfig::primary(row["url"].as_str().unwrap()).unwrap();
        assert_eq!(node.url.to_string(), row["shown"].as_str().unwrap());
        assert_eq!(node.url.without_password(), row["bare"].as_str().unwrap());
        assert_eq!(node.url.password(), row["password"].as_str());
        assert_eq!(node.endpoint().to_string(), row["server"].as_str().unwrap());
    }
}

/// What reaches the server is decided by sqlx; so the URL that we hand on must mean to it what the original meant.
#[cfg(feature = "postgres")]
#[test]
fn sqlx_reads_the_same_from_the_bare_url_and_the_original() {
    use sea_orm::sqlx::postgres::PgConnectOptions;

    let ours = |url: &str| url.starts_with("postgres") && !url.contains("weight=");
    let mut compared = 0;
    for row in rows() {
        let url = row["url"].as_str().unwrap();
        if !ours(url) {
            continue;
        }
        let node = NodeConfig::primary(url).unwrap();
        assert_eq!(node.url.backend(), DbBackend::Postgres);
        let mut bare: PgConnectOptions = node.url.without_password().parse().unwrap();
        if let Some(password) = node.url.password() {
            bare = bare.password(password);
        }
        let original: PgConnectOptions = url.parse().unwrap();
        assert_eq!(format!("{bare:?}"), format!("{original:?}"), "{url}");
        compared += 1;
    }
    assert!(compared > 8);
}

#[test]
fn inheriting_takes_parameters_one_by_one() {
    let primary = NodeConfig::primary("postgres://app:pw@db1/app?sslmode=require&options=-cx%3D1");
    let primary = primary.unwrap();
    let replica = primary
        .replica_like("postgres://db2/?sslmode=verify-full&weight=2")
        .unwrap();
    assert_eq!(
        replica.url.without_password(),
        "postgres://app@db2/app?options=-cx%3D1&sslmode=verify-full"
    );
    assert_eq!(replica.url.password(), Some("pw"));
    // A standby on TCP of a primary on a socket, which has its user in the parameters.
    let primary = NodeConfig::primary("postgres:///app?host=/run/pg&user=app").unwrap();
    let replica = primary.replica_like("db2:5433").unwrap();
    assert_eq!(
        replica.url.without_password(),
        "postgres://app@db2:5433/app"
    );
}

#[test]
fn a_replica_alone_needs_a_whole_url() {
    let error = NodeConfig::replica("db2:5432").unwrap_err();
    assert!(
        error.to_string().starts_with("replica: has no scheme"),
        "{error}"
    );
    assert!(NodeConfig::replica("postgres://db2/app").is_ok());
}

#[test]
fn percent_encoding_round_trips() {
    for text in ["", "a%b", "100%", "ü€ @:/?#[]", "%zz", "a+b c"] {
        assert_eq!(percent_decode(&percent_encode(text)).as_deref(), Some(text));
    }
    assert_eq!(percent_decode("%4").as_deref(), Some("%4"));
    assert_eq!(percent_decode("%").as_deref(), Some("%"));
    assert_eq!(percent_decode("%ff"), None);
}

#[test]
fn masking_foreign_texts_hides_rather_too_much() {
    for (text, masked) in [
        ("no secret here", "no secret here"),
        (
            "'postgres://u:pw@h/db' cannot be parsed",
            "'postgres://***@h/db' cannot be parsed",
        ),
        ("postgres://u:p@w/o@h", "postgres://***@h"),
        ("postgres://u:p w@h:x", "postgres://***@h:x"),
        ("u:pw@h", "***@h"),
        ("postgres//u:pw@h", "***@h"),
        ("host=h password=pw user=u", "host=h password=*** user=u"),
        (
            "postgres:///db?PASSWORD=pw&a=1",
            "postgres:///db?PASSWORD=***&a=1",
        ),
        ("a://u:p@h b://v:q@i", "a://***@i"),
        ("x@y z://w", "***@y z://w"),
        ("'postgres://u:pw' is bad", "'postgres://***' is bad"),
        ("postgres://u:pwh:5432/db", "postgres://***/db"),
        ("postgres://h:5432/db", "postgres://h:5432/db"),
        ("postgres://[::1]:5432/db", "postgres://[::1]:5432/db"),
        ("postgres://[::1]", "postgres://[::1]"),
        (
            "sslpassword=a&client_secret=b",
            "sslpassword=***&client_secret=***",
        ),
    ] {
        assert_eq!(mask(text), masked);
    }
}
