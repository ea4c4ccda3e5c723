//! Who follows whom: the applier, delay, promotion, and the way back.

use std::net::SocketAddr;

use super::{Node, PASSWORD};
use crate::Result;

impl Node {
    /// Lets this node follow another one by GTID, read-only, from what it has applied on. It may have to serve as a replica for
    /// the first time, or be one of somebody else's.
    pub fn follow(&self, other: &Self) -> Result<()> {
        self.follow_at(other.addr())
    }

    /// Lets this node follow whoever answers at an address, e.g. a [`Forwarder`](crate::Forwarder).
    pub fn follow_at(&self, addr: SocketAddr) -> Result<()> {
        self.set("read_only", "1")?;
        self.ask(&format!(
            "stop slave; change master to master_host='{}', master_port={}, master_user='follow', \
             master_password='{PASSWORD}', master_use_gtid=slave_pos, master_connect_retry=1; start slave",
            addr.ip(),
            addr.port(),
        ))
        .map(drop)
    }

    /// Lets a former primary follow another one, from what it has written itself. It cannot if it has written what the other one
    /// lacks: its log says so.
    pub fn rejoin(&self, other: &Self) -> Result<()> {
        self.set("read_only", "1")?;
        self.ask("stop slave; set global gtid_slave_pos = @@global.gtid_binlog_pos")?;
        self.follow(other)
    }

    /// Makes this replica a primary. Nobody else is told.
    pub fn promote(&self) -> Result<()> {
        self.ask("stop slave; reset slave all")?;
        self.set("read_only", "0")
    }

    /// Lets this node take no more writes of those whom `read_only` binds. Their connections stay.
    pub fn demote(&self) -> Result<()> {
        self.set("read_only", "1")
    }

    /// Stops what applies the log, which is still received: reads grow stale.
    pub fn stop_applier(&self) -> Result<()> {
        self.ask("stop slave sql_thread").map(drop)
    }

    /// Lets it go on.
    pub fn start_applier(&self) -> Result<()> {
        self.ask("start slave sql_thread").map(drop)
    }

    /// Lets this replica show everything so many seconds later than it was written; zero ends it.
    pub fn delay(&self, seconds: u32) -> Result<()> {
        self.ask(&format!(
            "stop slave; change master to master_delay={seconds}; start slave"
        ))
        .map(drop)
    }

    /// Waits until this replica has applied all that `primary` has written up to now.
    pub fn wait_caught_up_with(&self, primary: &Self) -> Result<()> {
        let written = primary.ask("select @@global.gtid_binlog_pos")?;
        let sql = format!("select master_gtid_wait('{written}', 0)");
        self.wait_for("catching up", || Ok((self.ask(&sql)? == "0").then_some(())))
    }

    /// Waits until this replica receives and applies.
    pub(in crate::mariadb) fn wait_replicating(&self) -> Result<()> {
        let sql = "select variable_value from information_schema.global_status where variable_name = 'slave_running'";
        self.wait_for("replicating", || Ok((self.ask(sql)? == "ON").then_some(())))
    }
}
