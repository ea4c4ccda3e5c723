//! A server that did not answer in a time of ours.

use std::{io, sync::Arc};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::driver::sqlx_of;

/// The setting that gives the time, with its value. It means what a pool's time-out means: the system's own `TimedOut`
/// says that an open connection broke, and would count as a sign of a crash.
#[derive(Debug, thiserror::Error)]
#[error("no {what} within {limit}", what = if *.connected { "answer" } else { "connection" })]
pub(crate) struct Silence {
    /// An open connection was not answered on; else none was there.
    pub(crate) connected: bool,
    pub(crate) limit: String,
}

impl Silence {
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn advice(&self) -> &'static str {
        match self.connected {
            true => {
                "it took the connection and is silent: check whether it is overloaded or stopped"
            }
            false => {
                "check host and port, whether a firewall lets this through, and whether the server is overloaded or \
                 stopped"
            }
        }
    }

    /// An open connection was not answered on in this time.
    pub(crate) fn on_a_connection(limit: String) -> DbErr {
        let connected = true;
        Self { connected, limit }.into_db()
    }

    /// Whether this says that a connection is there and was not answered on.
    pub(crate) fn is_on_a_connection(err: &DbErr) -> bool {
        match sqlx_of(err) {
            Some(sqlx::Error::Io(error)) => {
                Self::of(error).is_some_and(|silence| silence.connected)
            }
            _ => false,
        }
    }

    /// Whether this says that an attempt to connect took longer than it may.
    pub(crate) fn is_of_connecting(err: &DbErr) -> bool {
        match sqlx_of(err) {
            Some(sqlx::Error::Io(error)) => {
                Self::of(error).is_some_and(|silence| !silence.connected)
            }
            _ => false,
        }
    }

    /// As the driver's error of an attempt to connect.
    pub(crate) fn into_db(self) -> DbErr {
        let error = io::Error::new(io::ErrorKind::TimedOut, self);
        DbErr::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(error))))
    }
}
