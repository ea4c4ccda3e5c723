//! Foreign errors, driven by `signal/errors.jsonl`: each row was seen on a server, or is what one documents.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use sea_orm::error::ConnAcquireErr;
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};
use serde_json::Value;

use super::words::{role, rows, str_of};
use crate::signal::{
    ErrorFacts, ServerAnswer, ServerDialect, Severity, Signal, facts, meaning, of_db_err, signal,
    stage_of, told,
};
use crate::vocabulary::{Role, Stage};

#[test]
fn every_foreign_error_is_read_as_what_it_means() {
    let table = rows("signal/errors", include_str!("signal/errors.jsonl"));
    let mut read = 0;
    for row in &table {
        let on = role(row["on"].as_str().unwrap_or("replica"));
        let found = if let Some(kind) = row["io"].as_str() {
            signal(&SqlxError::Io(io_error(kind)), on)
        } else if let Some(kind) = row["driver"].as_str() {
            signal(&driver_error(kind), on)
        } else if let Some(answer) = answer(row) {
            meaning(&ErrorFacts::Server(answer), on)
        } else {
            continue;
        };
        assert_eq!(found.as_str(), str_of(row, "expect"), "{row}");
        read += 1;
    }
    println!(
        "{read} of {} rows; the others are of backends that are not built",
        table.len()
    );
}

fn answer(row: &Value) -> Option<ServerAnswer<'_>> {
    let dialect = match str_of(row, "dialect") {
        #[cfg(feature = "postgres")]
        "postgres" => ServerDialect::Postgres,
        #[cfg(feature = "mysql")]
        "mysql" => ServerDialect::MySql,
        #[cfg(feature = "sqlite")]
        "sqlite" => ServerDialect::Sqlite,
        _ => return None,
    };
    Some(ServerAnswer {
        dialect,
        severity: match str_of(row, "severity") {
            "fatal" => Severity::Fatal,
            "untold" => Severity::Untold,
            _ => Severity::Error,
        },
        code: str_of(row, "code").into(),
        number: row["number"]
            .as_u64()
            .map(|number| u16::try_from(number).unwrap()),
        message: str_of(row, "message").into(),
        routine: row["routine"].as_str().map(Into::into),
    })
}

fn io_error(kind: &str) -> io::Error {
    let kinds = [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionAborted,
        ErrorKind::TimedOut,
        ErrorKind::ConnectionRefused,
        ErrorKind::HostUnreachable,
        ErrorKind::NotFound,
        ErrorKind::InvalidData,
    ];
    let known = kinds.into_iter().find(|known| format!("{known:?}") == kind);
    known.map_or_else(|| io::Error::other("an error of ours"), io::Error::from)
}

fn driver_error(kind: &str) -> SqlxError {
    match kind {
        "PoolTimedOut" => SqlxError::PoolTimedOut,
        "PoolClosed" => SqlxError::PoolClosed,
        "Tls" => SqlxError::Tls("handshake".into()),
        "WorkerCrashed" => SqlxError::WorkerCrashed,
        "Protocol" => SqlxError::Protocol("too many arguments for query: 70000".into()),
        "Garbled" => SqlxError::Protocol("unexpected message: DataRow".into()),
        "Encode" => SqlxError::Encode("too long".into()),
        "Configuration" => SqlxError::Configuration("RSA auth backend disabled".into()),
        "InvalidArgument" => SqlxError::InvalidArgument("x".into()),
        "TypeNotFound" => SqlxError::TypeNotFound {
            type_name: "x".into(),
        },
        "ColumnDecode" => SqlxError::ColumnDecode {
            index: "0".into(),
            source: "x".into(),
        },
        "RowNotFound" => SqlxError::RowNotFound,
        "ColumnNotFound" => SqlxError::ColumnNotFound("x".into()),
        other => panic!("no driver error `{other}`"),
    }
}

#[test]
fn seaorms_errors_are_read_through_to_the_drivers() {
    let eof = || RuntimeErr::SqlxError(Arc::new(SqlxError::Io(ErrorKind::UnexpectedEof.into())));
    for error in [DbErr::Conn(eof()), DbErr::Exec(eof()), DbErr::Query(eof())] {
        assert_eq!(of_db_err(&error, Role::Primary), Signal::Disconnected);
    }
    let timeout = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
    assert_eq!(of_db_err(&timeout, Role::Primary), Signal::AcquireTimeout);
    let closed = DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
    assert_eq!(of_db_err(&closed, Role::Primary), Signal::PoolClosed);
    let internal = DbErr::Query(RuntimeErr::Internal("proxy".into()));
    assert_eq!(of_db_err(&internal, Role::Primary), Signal::Unknown);
    assert_eq!(
        of_db_err(&DbErr::RecordNotInserted, Role::Primary),
        Signal::Unread
    );
    assert_eq!(
        of_db_err(&DbErr::AttrNotSet("x".into()), Role::Primary),
        Signal::Unsent
    );
    assert_eq!(
        of_db_err(&DbErr::Custom("x".into()), Role::Primary),
        Signal::Unknown
    );
    assert_eq!(stage_of(&timeout), Stage::Acquire);
    assert_eq!(stage_of(&DbErr::Conn(eof())), Stage::Acquire);
    assert_eq!(stage_of(&DbErr::Query(eof())), Stage::Send);
}

#[test]
fn the_words_of_signals_are_distinct() {
    for (index, signal) in Signal::ALL.iter().enumerate() {
        assert!(
            Signal::ALL[..index]
                .iter()
                .all(|other| other.as_str() != signal.as_str()),
            "{signal}"
        );
    }
}

/// A real error of a real driver: the downcast and the decimal code (I6).
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_write_on_a_sqlite_reader_is_read_from_the_drivers_own_error() {
    use sea_orm::sqlx::ConnectOptions as _;
    use sea_orm::sqlx::sqlite::SqliteConnectOptions;

    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("db"));
    let mut writer = options
        .clone()
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sea_orm::sqlx::raw_sql("CREATE TABLE t(id INTEGER)")
        .execute(&mut writer)
        .await
        .unwrap();
    let mut reader = options.read_only(true).connect().await.unwrap();
    let error = sea_orm::sqlx::raw_sql("INSERT INTO t VALUES (1)")
        .execute(&mut reader)
        .await
        .unwrap_err();
    let ErrorFacts::Server(answer) = facts(&error) else {
        panic!("{error}")
    };
    assert_eq!(
        (answer.dialect, &*answer.code),
        (ServerDialect::Sqlite, "8")
    );
    assert_eq!(
        signal(&error, Role::Replica),
        Signal::RefusedAsWrite { certain: false }
    );
}

/// The driver names features of its own, which nobody can switch on here.
#[test]
fn a_password_that_a_server_takes_by_tls_alone_is_told_as_such() {
    let text = "RSA auth backend disabled; enable feature `mysql-rsa`";
    let err = SqlxError::Configuration(text.into());
    let told = told(&DbErr::Conn(RuntimeErr::SqlxError(Arc::new(err))));
    assert!(told.starts_with(text), "{told}");
    assert!(told.contains("`runtime-tokio-rustls`"), "{told}");
}
