//! What the tests of servers that crash share: a load that takes long to replay, and reads that such a crash may end.

use sea_orm::ConnectionTrait;
use sealane::{Error, RoutedConnection};

use super::fixture::sql;

/// Takes a server that crashes long to replay again.
pub const LOAD: &str = "INSERT INTO bulk SELECT repeat('x', 500) FROM generate_series(1, 20000)";

/// The tables of that load and of what is counted.
pub const TABLES: &str = "CREATE TABLE t (n bigint); CREATE TABLE bulk (filler text)";

const COUNT: &str = "SELECT count(*) FROM t";

/// What a read sees. One that ran when the server crashed may have been what crashed it, and is for the caller to repeat.
pub async fn counted(db: &RoutedConnection) -> i64 {
    loop {
        let err = match db.query_one_raw(sql(db, COUNT)).await {
            Ok(row) => return row.unwrap().try_get_by_index(0).unwrap(),
            Err(err) => err,
        };
        let crashed = matches!(Error::from_db_err(&err), Some(Error::ServerCrashed { .. }));
        assert!(crashed, "{err}");
    }
}
