//! What to look at when a node gives no connection at the start. A refused password and a refused socket are mended in
//! different places, so one sentence for all of them would help nobody.

use sea_orm::DbErr;

/// A sentence without an address, a user or a name of a database: the error beside it says which node it is.
pub(crate) fn advice(err: &DbErr) -> &'static str {
    let code = super::code(err);
    match code.as_deref() {
        // PostgreSQL, then MariaDB and MySQL as SQLSTATE.
        Some("28P01" | "28000") => {
            "check user and password; in a URL their special characters are percent-encoded"
        }
        Some("3D000" | "42000") => "check the name of the database behind the host",
        Some("14") => "check the path: its folder must exist, and `?mode=rwc` creates the file",
        _ => {
            "check its address and whether it runs, or set SEALANE_START_WITHOUT_PRIMARY=true to start with reads only"
        }
    }
}
