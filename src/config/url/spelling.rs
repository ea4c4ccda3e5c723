//! Which parameters of a URL the driver knows, and which one a misspelt one was meant to be.
//!
//! A misspelt parameter that is passed over is a setting that silently does not hold (`sslmod=require` connects without
//! TLS), so it is an error with the nearest name, as it is for a misspelt variable. A value is never shown: in a
//! mangled URL it may be a piece of a password, and so may a name that nobody knows.

use sea_orm::DbBackend;

/// What sqlx 0.9 reads from the URL of each backend.
fn known(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Postgres => &[
            "sslmode",
            "host",
            "hostaddr",
            "port",
            "dbname",
            "user",
            "password",
            "application_name",
            "options",
            "ssl-mode",
            "sslrootcert",
            "ssl-root-cert",
            "ssl-ca",
            "sslcert",
            "ssl-cert",
            "sslkey",
            "ssl-key",
            "statement-cache-capacity",
        ],
        DbBackend::MySql => &[
            "ssl-mode",
            "sslmode",
            "sslca",
            "ssl-ca",
            "sslcert",
            "ssl-cert",
            "sslkey",
            "ssl-key",
            "socket",
            "charset",
            "collation",
            "timezone",
            "time-zone",
            "statement-cache-capacity",
        ],
        _ => &["mode", "cache", "immutable", "vfs"],
    }
}

/// What other drivers and tools read.
const ELSEWHERE: &[&str] = &[
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "connection_limit",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "load_balance_hosts",
    "passfile",
    "password",
    "pgbouncer",
    "pool_timeout",
    "requiressl",
    "schema",
    "service",
    "ssl",
    "ssl-crl",
    "ssl-crlpath",
    "sslcrl",
    "sslcrldir",
    "sslpassword",
    "target_session_attrs",
    "tcp_user_timeout",
];

const OWN: &[&str] = &["name", "tags", "weight", "zone"];

/// Nothing about a parameter of the driver, a warning about one that it does not know, or what is wrong with it.
pub(super) fn warning_for(
    backend: DbBackend,
    key: &str,
    value: &str,
) -> Result<Option<String>, String> {
    let knows = |backend| known(backend).contains(&key) || is_option(backend, key);
    if knows(backend) {
        return check(backend, key, value).map(|()| None);
    }
    let elsewhere = [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite];
    if ELSEWHERE.contains(&key) || elsewhere.into_iter().any(knows) {
        return Ok(Some(format!(
            "has the parameter {key}, which the driver does not know; it is ignored"
        )));
    }
    match nearest(backend, key) {
        // What stands in brackets was not compared, and may be anything.
        Some(meant) => Err(format!(
            "has the misspelt parameter {}; did you mean {meant}?",
            key.split('[').next().unwrap_or_default().escape_debug()
        )),
        None => Ok(Some(
            "has a parameter that the driver does not know; it is ignored".to_owned(),
        )),
    }
}

/// `options[search_path]`.
fn is_option(backend: DbBackend, key: &str) -> bool {
    let inside = key
        .strip_prefix("options[")
        .and_then(|key| key.strip_suffix(']'));
    backend == DbBackend::Postgres && inside.is_some_and(|name| !name.is_empty())
}

/// The parameter that this one was probably meant to be: the nearest, if one is near enough. Letters of the other case
/// are a mistake as well.
fn nearest(backend: DbBackend, key: &str) -> Option<&'static str> {
    let lower = key.to_ascii_lowercase();
    let name = lower.split('[').next().unwrap_or_default();
    let near = OWN.iter().chain(known(backend)).map(|known| {
        let most = match known.len() {
            6.. => 2,
            4.. => 1,
            _ => 0,
        };
        (strsim::osa_distance(name, known), most, *known)
    });
    near.filter(|(distance, most, _)| distance <= most)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., known)| known)
}

/// Values of which the driver takes a few words only. It would quote the others.
fn check(backend: DbBackend, key: &str, value: &str) -> Result<(), String> {
    let words: &[&str] = match (backend, key) {
        (DbBackend::Postgres, "sslmode" | "ssl-mode") => &[
            "disable",
            "allow",
            "prefer",
            "require",
            "verify-ca",
            "verify-full",
        ],
        (DbBackend::MySql, "sslmode" | "ssl-mode") => &[
            "disabled",
            "preferred",
            "required",
            "verify_ca",
            "verify_identity",
        ],
        (DbBackend::Sqlite, "mode") => &["ro", "rw", "rwc", "memory"],
        (DbBackend::Sqlite, "cache") => &["private", "shared"],
        (DbBackend::Sqlite, "immutable") => &["true", "false", "1", "0"],
        (_, "statement-cache-capacity") => {
            return value
                .parse::<usize>()
                .map(drop)
                .map_err(|_| format!("its {key} must be a whole number"));
        }
        _ => return Ok(()),
    };
    let folded = value.to_ascii_lowercase();
    let given = if backend == DbBackend::Sqlite {
        value
    } else {
        &folded
    };
    if words.contains(&given) {
        return Ok(());
    }
    Err(format!("its {key} must be one of {}", words.join(", ")))
}
