//! What servers are asked by the connections of pools, and with how little of it a pool makes do.

use std::sync::atomic::{AtomicU8, Ordering};

use sea_orm::sqlx;

/// The first question, by what it asks of whoever a standby receives from.
macro_rules! hello {
    ($timeline:literal, $receives:literal, $receiver:literal) => {
        concat!(
            "SELECT one.in_recovery, \
     (SELECT system_identifier FROM pg_catalog.pg_control_system())::pg_catalog.int8, \
     pg_catalog.concat_ws('|', pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()), \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8, \
     CASE WHEN one.in_recovery THEN ",
            $timeline,
            " ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))\
     ::pg_catalog.bit(32)::pg_catalog.int8 END, \
     CASE WHEN one.in_recovery \
     THEN (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8 END, ",
            $receives,
            ", \
     pg_catalog.current_setting('default_transaction_read_only') = 'on', \
     pg_catalog.current_setting('standard_conforming_strings') = 'on', pg_catalog.version(), \
     pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
     pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(), \
     pg_catalog.current_setting('extra_float_digits', true) \
     FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) AS one",
            $receiver
        )
    };
}

/// Everything in one statement and one round trip: whose server it is, in which role and epoch, how far it has come,
/// whether the read-only default is there, what a backslash in a string means, which system it is, and how the connection
/// shows itself there. The receiver is asked by its function: a host that keeps the view over it from everybody takes
/// nothing with that.
const HELLO: &str = hello!(
    "receiver.received_tli::pg_catalog.int8",
    "receiver.pid IS NOT NULL",
    " LEFT JOIN pg_catalog.pg_stat_get_wal_receiver() AS receiver ON true"
);

/// Where the role may not ask for the receiver. Nothing in the place of yes or no: nobody can tell.
const WITHOUT_RECEIVER: &str = hello!("NULL::pg_catalog.int8", "NULL::pg_catalog.bool", "");

/// What any role may run on whatever speaks the protocol, where the one above is not allowed or not there.
const LITTLE: &str = "SELECT pg_catalog.pg_is_in_recovery(), NULL::int8, NULL::text, NULL::int8, NULL::int8, NULL::int8, \
     NULL::bool, pg_catalog.current_setting('default_transaction_read_only') = 'on', \
     pg_catalog.current_setting('standard_conforming_strings') = 'on', pg_catalog.version(), \
     NULL::text, NULL::int4, NULL::text, NULL::int4, NULL::text";

/// What is left where the role may not see which timeline a standby receives: any role may read the control file. It
/// tells the timeline of the last restart point and of the last page that was flushed. Both are late after a promotion,
/// by a checkpoint of the new primary and one of the standby at the most, and never early: recovery goes on from there,
/// on the same timeline or on one of its branches. So it proves that this one was reached, and nothing against a later
/// one.
pub(super) const TIMELINE: &str = "SELECT greatest(checkpoint.timeline_id, recovery.min_recovery_end_timeline) \
     FROM pg_catalog.pg_control_checkpoint() AS checkpoint, pg_catalog.pg_control_recovery() AS recovery";

/// Whether the role may see which files a server has of its log. Asked before, since a refusal stands in the server's own
/// log; `pg_monitor` may.
pub(super) const MAY_LIST: &str = "SELECT coalesce(pg_catalog.has_function_privilege(\
     pg_catalog.to_regprocedure('pg_catalog.pg_ls_waldir()'), 'EXECUTE'), false)";

/// The timeline of [`TIMELINE`], where the standby has no file of a later one. It has the history of each timeline that it
/// has replayed some of but the first, whether that was received or came from an archive: without it, it cannot follow.
pub(super) const ONLY_TIMELINE: &str = "SELECT greatest(checkpoint.timeline_id, recovery.min_recovery_end_timeline), \
     (SELECT coalesce(max(('x' || pg_catalog.substr(file.name, 1, 8))::pg_catalog.bit(32)::pg_catalog.int8), 0) \
     FROM pg_catalog.pg_ls_waldir() AS file WHERE file.name ~ '^[0-9A-F]{8}([0-9A-F]{16}|[.]history)') \
     FROM pg_catalog.pg_control_checkpoint() AS checkpoint, pg_catalog.pg_control_recovery() AS recovery";

/// The first question, by how much it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstQuestion {
    Whole,
    WithoutReceiver,
    Little,
}

impl FirstQuestion {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Whole => HELLO,
            Self::WithoutReceiver => WITHOUT_RECEIVER,
            Self::Little => LITTLE,
        }
    }

    /// What is left to ask where the server has refused this one so; nothing behind the least.
    pub(super) fn less(self, refused: &sqlx::Error) -> Option<Self> {
        match self {
            // What a server lacks is never the receiver alone.
            Self::Whole if is_forbidden(refused) => Some(Self::WithoutReceiver),
            Self::Whole | Self::WithoutReceiver => Some(Self::Little),
            Self::Little => None,
        }
    }
}

/// Whether the role may not ask for something of it.
pub(crate) fn is_forbidden(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(|err| err.code());
    code.is_some_and(|code| code == "42501")
}

/// The fullest question that the servers of a pool answer to its role, as far as was found out.
#[derive(Debug, Default)]
pub(crate) struct FullestQuestion(AtomicU8);

impl FullestQuestion {
    pub(super) fn get(&self) -> FirstQuestion {
        match self.0.load(Ordering::Relaxed) {
            0 => FirstQuestion::Whole,
            1 => FirstQuestion::WithoutReceiver,
            _ => FirstQuestion::Little,
        }
    }

    pub(super) fn set(&self, question: FirstQuestion) {
        let level = match question {
            FirstQuestion::Whole => 0,
            FirstQuestion::WithoutReceiver => 1,
            FirstQuestion::Little => 2,
        };
        self.0.store(level, Ordering::Relaxed);
    }
}
