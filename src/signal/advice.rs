//! What to look at when a node gives no connection. A refused password and a refused socket are mended in different
//! places, so one sentence for all of them would help nobody, and a wrong one is worse than none.

use std::io::ErrorKind;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};

use super::{Silence, driver::sqlx_of};
use crate::config::mask;

/// What the server, the system or the driver said, without what SeaORM and sqlx put before it.
pub(crate) fn said(err: &DbErr) -> String {
    let text = match (err, sqlx_of(err)) {
        // A server knows no password, and an `@` in its text is no part of a URL.
        (_, Some(sqlx::Error::Database(answer))) => {
            let message = answer.message();
            return match (answer.code(), of_pooler(message)) {
                (None, _) => message.to_owned(),
                (Some(code), None) => format!("{message} ({code})"),
                (Some(code), Some(pooler)) => format!("{message} ({code}): {pooler}"),
            };
        }
        (_, Some(sqlx::Error::Io(error))) => error.to_string(),
        (_, Some(sqlx::Error::Tls(error))) => format!("TLS: {error}"),
        (_, Some(sqlx::Error::Configuration(error))) => error.to_string(),
        (_, Some(error)) => error.to_string(),
        (DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), _) => "no answer in time".to_owned(),
        (DbErr::Conn(RuntimeErr::Internal(text)), _) => text.clone(),
        _ => err.to_string(),
    };
    mask(&text)
}

/// The error's text, and what to do about it, where that can be told.
pub(crate) fn told(err: &DbErr) -> String {
    let said = said(err);
    advice(err).map_or_else(|| said.clone(), |advice| format!("{said}; {advice}"))
}

/// A sentence without an address, a user or a name of a database: the error beside it says which node it is. None where
/// the answer says everything that is known.
fn advice(err: &DbErr) -> Option<&'static str> {
    match sqlx_of(err)? {
        sqlx::Error::Database(answer) => of_server(&answer.code()?, answer.message()),
        sqlx::Error::Io(error) => of_socket(error),
        sqlx::Error::Tls(error) => Some(of_tls(&error.to_string())),
        // The driver's own words name features that this crate has not.
        sqlx::Error::Configuration(error) if error.to_string().contains("RSA auth") => {
            Some(WANTS_TLS_FOR_PASSWORD)
        }
        _ => None,
    }
}

/// The codes of PostgreSQL, of MariaDB and MySQL as SQLSTATE, and of SQLite.
pub(crate) fn of_server(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "28000" if message.contains("pg_hba.conf") => {
            "the server's pg_hba.conf does not let this user in from here, or not without TLS: check it, and `sslmode`"
        }
        "28000" if message.contains("client certificate") => WANTS_CERTIFICATE,
        "28P01" | "28000" => {
            "check user and password; in a URL their special characters are percent-encoded"
        }
        "3D000" => "check the name of the database behind the host",
        "42000" if message.contains("Unknown database") => {
            "check the name of the database behind the host"
        }
        "53300" | "08004" => of_limit(),
        "42000" if message.contains("max_user_connections") => of_limit(),
        "57P03" if passes(message) => "it is starting up or shutting down: wait until it is there",
        "14" => {
            "check the path: it must be a file in a folder that exists and may be read; `?mode=rwc` creates the file"
        }
        "26" => "the file is there and is no SQLite database, or is encrypted: check the path",
        _ => return None,
    })
}

/// What refuses a start-up parameter is no server: PgBouncer and what imitates it know a handful of them.
fn of_pooler(message: &str) -> Option<&'static str> {
    if !message.contains("unsupported startup parameter") {
        return None;
    }
    Some(match message.contains("options") {
        true => {
            "a pooler answers there (PgBouncer, by its words) that lets no start-up options through, which replicas get for \
             the read-only default: add `options` to its ignore_startup_parameters and give the readers' role the default \
             (ALTER ROLE … SET default_transaction_read_only = on), or set SEALANE_FENCE=false"
        }
        false => {
            "a pooler answers there (PgBouncer, by its words): add this parameter to its ignore_startup_parameters"
        }
    })
}

const fn of_limit() -> &'static str {
    "all processes together want more connections than the server, the database or the role allows: raise that limit, or \
     lower SEALANE_MAX_CONNECTIONS (with the builder max_connections) in them"
}

/// Not every server that takes no sessions will: a standby may be configured so.
fn passes(message: &str) -> bool {
    let passing = ["starting up", "shutting down", "in recovery", "not yet"];
    passing.iter().any(|part| message.contains(part))
}

fn of_socket(error: &std::io::Error) -> Option<&'static str> {
    if let Some(silence) = Silence::of(error) {
        return Some(silence.advice());
    }
    // What the system says of names is of no kind.
    let text = error.to_string();
    if text.contains("lookup") || text.contains("resolve") {
        return Some("check the host's name, and whether it is known here");
    }
    if text.contains(OPENSSL) {
        // In TLS 1.3 the server judges a client's certificate when the handshake is over here, so it comes as a read's error.
        return Some(of_tls(&text));
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => "check host and port, and whether the server runs",
        ErrorKind::NotFound => "there is no such socket or certificate: check the path",
        ErrorKind::PermissionDenied => "this user may not open the socket or certificate",
        ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "check host and port, and whether a firewall lets this through"
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
            "something there took the connection and closed it: check host and port, and whether it is this kind of server"
        }
        // So says rustls.
        ErrorKind::InvalidData if is_of_tls(&text) => of_tls(&text),
        _ => return None,
    })
}

/// Every error of OpenSSL, which is behind native TLS here, names the part of it that raised it.
const OPENSSL: &str = "SSL routines";

const WANTS_CERTIFICATE: &str =
    "the server asks for a client's certificate: name it and its key by `sslcert` and `sslkey`";

/// A MySQL server forgets with each start whose password it has seen, so a promoted one may be the first to say this.
const WANTS_TLS_FOR_PASSWORD: &str = "the server takes this password only by TLS, for as long as it does not remember the login \
    (caching_sha2_password): use a build with the Cargo feature `runtime-tokio-rustls` or `runtime-tokio-native-tls` of sealane, \
    and leave `ssl-mode` on";

fn is_of_tls(text: &str) -> bool {
    ["certificate", "fatal alert", "TLS", "handshake"]
        .iter()
        .any(|part| text.contains(part))
}

pub(crate) fn of_tls(text: &str) -> &'static str {
    if text.contains("without TLS support") {
        return "this build has no TLS: enable the Cargo feature `runtime-tokio-rustls` or `runtime-tokio-native-tls` of \
                sealane";
    }
    if text.contains("does not support TLS") {
        return "the server offers no TLS: switch it on there, or ask for less by `sslmode`";
    }
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&[
        "UnknownIssuer",
        "self-signed",
        "self signed",
        "unable to get local issuer",
    ]) {
        return "an authority that is not known here has signed the server's certificate: name its own by `sslrootcert`, for each \
                node where they differ, or check `sslmode`";
    }
    if says(&[
        "not valid for",
        "NotValidForName",
        "ostname mismatch",
        "IP address mismatch",
    ]) {
        return "the server's certificate is for other names: connect by one of them, name this one in it, or check `sslmode`";
    }
    if says(&["CertificateRequired", "certificate required"]) {
        return WANTS_CERTIFICATE;
    }
    if says(&["UnknownCA", "unknown ca"]) {
        return "the server does not know the authority of the certificate that it was shown: check `sslcert`, for each node where \
                they differ";
    }
    if says(&["Expired", "expired", "NotValidYet"]) {
        return "the server's certificate is not valid now: renew it, and check the clocks";
    }
    "check the certificates, the host's name in them, and `sslmode`"
}
