//! Who follows whom: streaming, lag, promotion, and the way back.

use std::{fs, net::SocketAddr, time::Duration};

use super::Node;
use crate::{Error, Result, error::Attempt};

/// The insert position of a primary, put back from the two places that no record ever ends at: right behind the header of a page
/// or of a segment. Replay stops before them until the next record, on an idle server for many seconds.
const POSITION: &str = "\
    select case when lsn % 8192 = 24 then lsn - 24 when lsn % segment = 40 then lsn - 40 else lsn end from \
    (select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as lsn, setting::numeric as segment \
     from pg_settings where name = 'wal_segment_size') position";

/// Sends what a read has logged that pruned a page and then failed, which otherwise goes out with the next commit or after
/// some twenty seconds. Waits for no standby.
const FLUSH: &str = "\
    select pg_logical_emit_message(true, 'sealane-harness', set_config('synchronous_commit', 'local', true)) \
    where pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()";

impl Node {
    /// Whether the server says that it is a primary.
    pub fn is_primary(&self) -> Result<bool> {
        Ok(self.ask("select not pg_is_in_recovery()")? == "t")
    }

    /// Makes this standby a primary and returns when it accepts writes. Nobody else is told.
    pub fn promote(&self) -> Result<()> {
        self.ask("select pg_promote(false)")?;
        self.wait_for("its promotion", || Ok(self.is_primary()?.then_some(())))?;
        // From now on a restart must not make it a standby again; the server has removed its own mark already.
        self.settings().remove("primary_conninfo");
        self.configure()
    }

    /// Lets this standby follow another node; returns when it streams from there, on the other's timeline. Without a restart,
    /// unless it has received more than the other had when it was promoted, as the old primary may write a record at any time:
    /// then it is rewound.
    pub fn repoint(&self, other: &Self) -> Result<()> {
        if !self.is_running() {
            return self.repoint_to(other.addr());
        }
        let timeline = other.timeline()?;
        if timeline != self.timeline()? && self.has_more_than(other, timeline)? {
            return self.rewind_to(other);
        }
        self.repoint_to(other.addr())?;
        self.wait_for("following the new timeline", || {
            Ok((self.timeline()? == timeline).then_some(()))
        })
    }

    /// Whether this standby has more of the log than a timeline of another node began with. It receives nothing more before it
    /// is asked, or the answer would be old at once.
    fn has_more_than(&self, other: &Self, timeline: u32) -> Result<bool> {
        self.set("primary_conninfo", "")?;
        let receivers = "select count(*) from pg_stat_wal_receiver";
        self.wait_for("the end of its receiver", || {
            Ok((self.ask(receivers)? == "0").then_some(()))
        })?;
        let history =
            format!("select pg_read_file('pg_wal/{timeline:08X}.history', 0, 65536, true)");
        let history = other.ask(&history)?;
        // Each line is a timeline, where the next one begins, and why.
        let lines = history.lines().rev();
        let Some(begins) = lines.filter_map(|line| line.split('\t').nth(1)).next() else {
            return Ok(false);
        };
        let more = format!(
            "select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) > '{begins}'"
        );
        Ok(self.ask(&more)? == "t")
    }

    /// The timeline that this node writes, or receives. Right at once after a promotion, unlike the one in the control file.
    pub fn timeline(&self) -> Result<u32> {
        // A standby's position in the log has no name of its own there, so its receiver is asked.
        let sql = "select case when pg_is_in_recovery() then (select received_tli from pg_stat_wal_receiver) \
                   else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int end";
        Ok(self.ask(sql)?.parse().unwrap_or(0))
    }

    /// Lets this standby follow whoever answers at an address, e.g. a [`Forwarder`](crate::Forwarder).
    pub fn repoint_to(&self, addr: SocketAddr) -> Result<()> {
        self.follow(addr);
        self.configure()?;
        match self.is_running() {
            true => self.wait_streaming(),
            false => Ok(()),
        }
    }

    /// Prepares a stopped node as a standby of whoever answers at the address.
    pub(crate) fn become_standby_of(&self, addr: SocketAddr) -> Result<()> {
        let mark = self.0.folder.join("data/standby.signal");
        fs::write(&mark, "").attempt(|| format!("writing {}", mark.display()))?;
        self.0.setup.account.own(&mark)?;
        self.follow(addr);
        self.configure()
    }

    fn follow(&self, addr: SocketAddr) {
        let info = format!(
            "host={} port={} user=postgres application_name={} connect_timeout=5",
            addr.ip(),
            addr.port(),
            self.name()
        );
        self.settings().insert("primary_conninfo".to_owned(), info);
    }

    /// Waits until this standby receives the log from whom it was told to follow.
    pub fn wait_streaming(&self) -> Result<()> {
        let info = self.settings().get("primary_conninfo").cloned();
        let info = info.ok_or_else(|| Error::Misuse {
            node: self.name().to_owned(),
            what: "a primary does not stream",
        })?;
        let port = info
            .split(' ')
            .find_map(|pair| pair.strip_prefix("port="))
            .unwrap_or_default();
        let sql = format!(
            "select count(*) from pg_stat_wal_receiver where status = 'streaming' and sender_port = {port}"
        );
        self.wait_for("streaming", || Ok((self.ask(&sql)? == "1").then_some(())))
    }

    /// Waits until this standby has replayed, so that every new read sees it, all that `primary` has written up to now.
    pub fn wait_caught_up_with(&self, primary: &Self) -> Result<()> {
        primary.ask(FLUSH)?;
        let position = primary.ask(POSITION)?;
        let sql = format!("select pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {position}");
        self.wait_for("catching up", || Ok((self.ask(&sql)? == "t").then_some(())))
    }

    /// Stops the replay of the log, which is still received: reads grow stale. Returns when replay stands still.
    pub fn pause_replay(&self) -> Result<()> {
        self.ask("select pg_wal_replay_pause()")?;
        self.wait_for("the pause of replay", || {
            Ok((self.ask("select pg_get_wal_replay_pause_state()")? == "paused").then_some(()))
        })
    }

    /// Lets replay go on.
    pub fn resume_replay(&self) -> Result<()> {
        self.ask("select pg_wal_replay_resume()").map(drop)
    }

    /// Lets this standby show every commit that much later than it was made; zero ends it.
    pub fn apply_delay(&self, delay: Duration) -> Result<()> {
        self.set(
            "recovery_min_apply_delay",
            &format!("{}ms", delay.as_millis()),
        )
    }
}
