//! Who follows whom: the applier, delay, promotion, and the way back.

use std::net::SocketAddr;

use super::Node;
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
        let host = addr.ip().to_string();
        let follow = self.flavour().follow(&host, addr.port());
        self.ask(&follow).map(drop)
    }

    /// Lets a former primary follow another one, from what it has written itself. It cannot if it has written what the other one
    /// lacks: its log says so.
    pub fn rejoin(&self, other: &Self) -> Result<()> {
        self.set("read_only", "1")?;
        self.ask(self.flavour().take_own_for_applied())?;
        self.follow(other)
    }

    /// Makes this replica a primary. Nobody else is told.
    pub fn promote(&self) -> Result<()> {
        self.ask(self.flavour().forget_source())?;
        self.set("read_only", "0")
    }

    /// Lets this node take no more writes of those whom `read_only` binds. Their connections stay.
    pub fn demote(&self) -> Result<()> {
        self.set("read_only", "1")
    }

    /// Stops what applies the log, which is still received: reads grow stale.
    pub fn stop_applier(&self) -> Result<()> {
        self.turn("stop", "sql_thread")
    }

    /// Lets it go on.
    pub fn start_applier(&self) -> Result<()> {
        self.turn("start", "sql_thread")
    }

    /// Receives nothing any more; what came goes on being applied.
    pub fn stop_receiver(&self) -> Result<()> {
        self.turn("stop", "io_thread")
    }

    /// Lets it receive again.
    pub fn start_receiver(&self) -> Result<()> {
        self.turn("start", "io_thread")
    }

    fn turn(&self, verb: &str, half: &str) -> Result<()> {
        self.ask(&self.flavour().turn(verb, half)).map(drop)
    }

    /// Lets this replica show everything so many seconds later than it was written; zero ends it.
    pub fn delay(&self, seconds: u32) -> Result<()> {
        self.ask(&self.flavour().delay(seconds)).map(drop)
    }

    /// Waits until this replica has applied all that `primary` has written up to now.
    pub fn wait_caught_up_with(&self, primary: &Self) -> Result<()> {
        let written = primary.ask(self.flavour().written())?;
        let sql = self.flavour().lacks(&written);
        self.wait_for("catching up", || Ok((self.ask(&sql)? == "0").then_some(())))
    }

    /// Whether it has written anything that it has not received.
    pub fn wrote_itself(&self) -> Result<bool> {
        Ok(self.ask(self.flavour().wrote_itself())? == "1")
    }

    /// Waits until this replica receives and applies.
    pub(in crate::mariadb) fn wait_replicating(&self) -> Result<()> {
        // The two halves stand beside each other there.
        let sql = self.flavour().turn("show", "status");
        self.wait_for("replicating", || {
            Ok(self.ask(&sql)?.contains("|Yes|Yes|").then_some(()))
        })
    }
}
