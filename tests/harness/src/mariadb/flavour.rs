//! Which of the two servers a node runs, and what they call otherwise.
//!
//! A trait with two types was rejected: most of these are one line, and they are read side by side.

use std::{env, path::PathBuf};

use super::template::PASSWORD;
use crate::{Error, Result, program};

/// The server of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
}

/// Names the folder of MySQL's `mysqld`, which `tests/mysql` brings.
const MYSQL_BIN: &str = "SEALANETEST_MYSQL_BIN";

/// As the template was made: a server refuses a log of another size only after a crash, but growing it takes time.
const MARIADB_LOG_SIZE: &str = "--innodb-log-file-size=4M";
const MYSQL_LOG_SIZE: &str = "--innodb-redo-log-capacity=8M";

/// For tests that survive the end of the server, not of the machine; quick, and small. Every statement of a client is logged,
/// which is how they are counted.
const COMMON: [&str; 12] = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--log-bin=binlog",
    "--sync-binlog=0",
    // With 0 what was committed within the last second was gone after a kill, and its GTID was not.
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=16M",
    "--innodb-use-native-aio=0",
    "--innodb-fast-shutdown=2",
    "--key-buffer-size=1M",
    "--secure-file-priv=",
    "--general-log=1",
    // A frozen or cut-off client is thrown out by nobody but the test.
    "--connect-timeout=60",
];

const MARIADB: [&str; 8] = [
    MARIADB_LOG_SIZE,
    "--log-slave-updates=1",
    "--gtid-strict-mode=1",
    "--binlog-format=ROW",
    "--aria-pagecache-buffer-size=8M",
    "--performance-schema=0",
    "--max-connections=200",
    "--slave-net-timeout=5",
];

/// The performance schema stays on, as everybody has it, and small: as it is by default a server takes half as much memory again.
const MYSQL: [&str; 19] = [
    MYSQL_LOG_SIZE,
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--innodb-doublewrite=0",
    "--mysqlx=0",
    "--max-connections=200",
    "--replica-net-timeout=5",
    "--innodb-log-buffer-size=1M",
    "--performance-schema-instrument=%=OFF",
    "--performance-schema-digests-size=0",
    "--performance-schema-max-digest-length=0",
    "--performance-schema-max-sql-text-length=0",
    "--performance-schema-error-size=0",
    "--performance-schema-events-statements-history-long-size=0",
    "--performance-schema-events-waits-history-long-size=0",
    "--performance-schema-events-stages-history-long-size=0",
    "--performance-schema-events-transactions-history-long-size=0",
    "--performance-schema-users-size=10",
    "--table-open-cache=200",
];

impl Flavour {
    /// MySQL where the folder of its programs is named, else MariaDB.
    #[must_use]
    pub fn asked() -> Self {
        match env::var_os(MYSQL_BIN) {
            Some(named) if !named.is_empty() => Self::MySql,
            _ => Self::MariaDb,
        }
    }

    /// The server's program.
    pub(super) fn server(self) -> Result<PathBuf> {
        let named = env::var_os(MYSQL_BIN).unwrap_or_default();
        match self {
            Self::MariaDb => program::find("mariadbd", super::template::INSTALL),
            Self::MySql => {
                let path = PathBuf::from(named).join("mysqld");
                let missing = || Error::MissingBinaries {
                    what: path.display().to_string(),
                    install: "export SEALANETEST_MYSQL_BIN=$(tests/mysql)",
                };
                path.is_file().then_some(()).ok_or_else(missing)?;
                Ok(path)
            }
        }
    }

    /// What begins the name of its template.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// The size of its log, when the template is made and later.
    pub(super) fn log_size(self) -> &'static str {
        match self {
            Self::MariaDb => MARIADB_LOG_SIZE,
            Self::MySql => MYSQL_LOG_SIZE,
        }
    }

    /// Options of every server.
    pub(super) fn options(self) -> impl Iterator<Item = &'static str> {
        let own: &[&str] = match self {
            Self::MariaDb => &MARIADB,
            Self::MySql => &MYSQL,
        };
        COMMON.iter().chain(own).copied()
    }

    /// The rights to ask how replication stands.
    pub(super) fn monitors(self) -> &'static str {
        match self {
            Self::MariaDb => "slave monitor, binlog monitor",
            Self::MySql => "replication client",
        }
    }

    /// Receives from whoever answers at an address, from what was applied on.
    pub(super) fn follow(self, host: &str, port: u16) -> String {
        match self {
            Self::MariaDb => format!(
                "stop slave; change master to master_host='{host}', master_port={port}, master_user='follow', \
                 master_password='{PASSWORD}', master_use_gtid=slave_pos, master_connect_retry=1; start slave"
            ),
            Self::MySql => format!(
                "stop replica; change replication source to source_host='{host}', source_port={port}, source_user='follow', \
                 source_password='{PASSWORD}', source_auto_position=1, source_connect_retry=1, source_retry_count=100000, \
                 get_source_public_key=1; start replica"
            ),
        }
    }

    /// Takes what the server itself wrote for applied, where these are two.
    pub(super) fn take_own_for_applied(self) -> &'static str {
        match self {
            Self::MariaDb => "stop slave; set global gtid_slave_pos = @@global.gtid_binlog_pos",
            Self::MySql => "stop replica",
        }
    }

    /// Receives from nobody any more.
    pub(super) fn forget_source(self) -> &'static str {
        match self {
            Self::MariaDb => "stop slave; reset slave all",
            Self::MySql => "stop replica; reset replica all",
        }
    }

    /// Starts or stops one of the two halves of a replica, or both where none is named.
    pub(super) fn turn(self, verb: &str, half: &str) -> String {
        let whole = match self {
            Self::MariaDb => "slave",
            Self::MySql => "replica",
        };
        format!("{verb} {whole} {half}")
    }

    /// Shows everything so many seconds later.
    pub(super) fn delay(self, seconds: u32) -> String {
        match self {
            Self::MariaDb => {
                format!("stop slave; change master to master_delay={seconds}; start slave")
            }
            Self::MySql => format!(
                "stop replica; change replication source to source_delay={seconds}; start replica"
            ),
        }
    }

    /// What the server has written and received.
    pub(super) fn written(self) -> &'static str {
        match self {
            Self::MariaDb => "select @@global.gtid_binlog_pos",
            Self::MySql => "select @@global.gtid_executed",
        }
    }

    /// Zero once that is applied.
    pub(super) fn lacks(self, written: &str) -> String {
        match self {
            Self::MariaDb => format!("select master_gtid_wait('{written}', 0)"),
            Self::MySql => format!("select 1 - gtid_subset('{written}', @@global.gtid_executed)"),
        }
    }

    /// Two zeros where nothing was written that did not come by replication.
    pub(super) fn wrote_itself(self) -> &'static str {
        match self {
            Self::MariaDb => "select @@gtid_binlog_pos <> @@gtid_slave_pos",
            Self::MySql => "select locate(@@global.server_uuid, @@global.gtid_executed) > 0",
        }
    }
}
