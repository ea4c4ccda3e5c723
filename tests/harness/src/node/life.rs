//! A server's life: start, stop, kill, freeze.
//!
//! The server is a direct child in the foreground, without `pg_ctl`: so its end is seen at once, and its number is certain.

use std::{
    fs::{self, File, OpenOptions},
    io,
    process::{Child, Stdio},
    sync::MutexGuard,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::Node;
use crate::{Error, Result, error::Attempt, process, server::Server};

/// How long before its server a client sees that a process was killed.
const LEAD: Duration = Duration::from_millis(50);

/// How long its recovery takes at least: an empty server's is over before a busy client has asked what happened.
const RECOVERS: Duration = Duration::from_secs(1);

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Rolls back what is open, writes a checkpoint, lets the standbys receive everything, says goodbye to the clients.
    Fast,
    /// Ends at once; the next start recovers from the log.
    Immediate,
}

/// How long a stop that is to be orderly takes at the most.
const PATIENCE: Duration = Duration::from_secs(10);

impl Node {
    /// Starts the server and waits until it accepts connections, as a standby also for reads. Nothing happens if it runs.
    pub fn start(&self) -> Result<()> {
        let mut server = self.alive();
        if server.is_some() {
            return Ok(());
        }
        let child = self.spawn()?;
        let pid = child.id().to_string();
        let server = server.insert(Server::new(child));
        self.wait_for("its start", || {
            if let Some(status) = server.ended(self.name())? {
                return Err(Error::Ended {
                    node: self.name().to_owned(),
                    status,
                    log: self.log_tail(),
                });
            }
            let file = self.pid_file();
            let mut lines = file.lines();
            let ready = lines.next() == Some(&pid)
                && lines.nth(6).is_some_and(|status| status.trim() == "ready");
            Ok(ready.then_some(()))
        })
    }

    /// Stops the server and waits for its end. A frozen server is thawed first. Nothing happens if it is down.
    pub fn stop(&self, how: Stop) -> Result<()> {
        self.thaw();
        let mut server = self.alive();
        if let Some(server) = server.as_mut() {
            let how = match how {
                Stop::Fast => Signal::SIGINT,
                Stop::Immediate => Signal::SIGQUIT,
            };
            process::signal(server.child.id(), how);
            let (asked, mut hurried) = (Instant::now(), how == Signal::SIGQUIT);
            self.wait_for("its end", || {
                // A server that has written its last checkpoint may wait for a standby's answer that never comes: two runs of
                // some hundred. All is on its disk by then.
                if !hurried
                    && asked.elapsed() > PATIENCE
                    && self.log_tail().contains("checkpoint complete")
                {
                    process::signal(server.child.id(), Signal::SIGQUIT);
                    hurried = true;
                }
                server.ended(self.name())
            })?;
        }
        *server = None;
        Ok(())
    }

    /// Stops fast and starts again.
    pub fn restart(&self) -> Result<()> {
        self.stop(Stop::Fast)?;
        self.start()
    }

    /// Kills all processes of the server at once, as a power cut does, and returns when they are gone.
    pub fn kill(&self) -> Result<()> {
        let mut server = self.alive();
        let Some(Server { child, .. }) = server.as_mut() else {
            return Ok(());
        };
        process::kill_all(self.name(), child)?;
        *server = None;
        process::remove_shared_memory(&self.pid_file());
        // Another process may get the old number, and the next start would take it for a running server.
        let path = self.0.folder.join("data/postmaster.pid");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).attempt(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Kills one process of the server, after which the server ends all others and begins anew by itself: a standby comes
    /// back where its last checkpoint lets it, behind what it had shown. Returns when it answers again.
    pub fn crash(&self) -> Result<()> {
        let pid =
            self.ask("select pid from pg_stat_activity where backend_type = 'background writer'")?;
        let Ok(pid) = pid.parse() else {
            return Ok(());
        };
        let before = self.crashes();
        process::signal(pid, Signal::SIGKILL);
        // The server answers for a moment longer, until it hears of that.
        self.wait_for("its recovery", || match self.crashes() > before {
            true => Ok(self.ask("select 1").ok().map(drop)),
            false => Ok(None),
        })
    }

    /// Kills each client's process that runs a statement with this text, as the kernel does when memory is out; how many there
    /// were. The server ends all others and recovers by itself, and this does not wait for that. A server that cannot be asked
    /// has none. Who asks for such statements, here or elsewhere, has their text in its own, and is spared.
    pub fn kill_running(&self, part: &str) -> usize {
        let sql = format!(
            "select string_agg(pid::text, ' ') from pg_stat_activity where backend_type = 'client backend' \
             and state = 'active' and pid <> pg_backend_pid() and query like '%{}%' \
             and query not like '%pg_stat_activity%'",
            part.replace('\'', "''")
        );
        let pids = self.ask(&sql).unwrap_or_default();
        let pids: Vec<u32> = pids.split(' ').filter_map(|pid| pid.parse().ok()).collect();
        let server = self.alive().as_ref().map(|server| server.child.id());
        if let (Some(server), false) = (server, pids.is_empty()) {
            // It recovers when all of its processes have ended.
            let writer =
                "select pid from pg_stat_activity where backend_type = 'background writer'";
            let writer = self.ask(writer).ok().and_then(|pid| pid.parse().ok());
            let to_writer = |order| writer.inspect(|pid| process::signal(*pid, order));
            // The server hears of it only when the clients have, as on a machine that is less busy than one with tests.
            process::signal(server, Signal::SIGSTOP);
            to_writer(Signal::SIGSTOP);
            for pid in &pids {
                process::signal(*pid, Signal::SIGKILL);
            }
            thread::sleep(LEAD);
            process::signal(server, Signal::SIGCONT);
            thread::sleep(RECOVERS);
            to_writer(Signal::SIGCONT);
        }
        pids.len()
    }

    /// How often its server has lost a process and recovered from that.
    #[must_use]
    pub fn crashes(&self) -> usize {
        let lines = self.log();
        let ended = |line: &&str| line.contains("terminating any other active server processes");
        lines.lines().filter(ended).count()
    }

    /// Stops all processes where they stand. Clients and the kernel's sockets see a server that does not answer.
    pub fn freeze(&self) {
        self.0.server.freeze(self.name());
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.0.server.thaw(self.name());
    }

    /// Whether the server has been started and has not ended since. A frozen one counts as running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.alive().is_some()
    }

    fn alive(&self) -> MutexGuard<'_, Option<Server>> {
        self.0.server.alive(self.name())
    }

    fn spawn(&self) -> Result<Child> {
        let folder = &self.0.folder;
        let log = folder.join("log");
        let what = || format!("starting {}", self.name());
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .attempt(what)?;
        let errors: File = log.try_clone().attempt(what)?;
        let mut server = self
            .0
            .setup
            .account
            .command(&self.0.setup.binaries.program("postgres")?);
        server.arg("-D").arg(folder.join("data"));
        server.arg("-c").arg(format!(
            "config_file={}",
            folder.join("node.conf").display()
        ));
        server
            .arg("-c")
            .arg(format!("hba_file={}", folder.join("hba.conf").display()));
        server.stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        server.spawn().attempt(what)
    }

    fn pid_file(&self) -> String {
        fs::read_to_string(self.0.folder.join("data/postmaster.pid")).unwrap_or_default()
    }
}
