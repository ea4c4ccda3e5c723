//! A server's life: start, stop, kill, freeze.
//!
//! The server is a direct child in the foreground, without a script that would start it again: so its end is seen at once, and
//! its number is certain.

use std::{
    fs::{self, File},
    process::{Child, Stdio},
    sync::MutexGuard,
};

use nix::sys::signal::Signal;

use super::{Node, PASSWORD, wire};
use crate::{
    Error, Result,
    error::Attempt,
    mariadb::{Flavour, template::USERS},
    process,
    server::Server,
};

impl Node {
    /// Starts the server and waits until it answers. Nothing happens if it runs.
    pub fn start(&self) -> Result<()> {
        let mut server = self.alive();
        if server.is_some() {
            return Ok(());
        }
        let child = self.spawn()?;
        let server = server.insert(Server::new(child));
        self.wait_for("its start", || {
            if let Some(status) = server.ended(self.name())? {
                return Err(Error::Ended {
                    node: self.name().to_owned(),
                    status,
                    log: self.log_tail(),
                });
            }
            self.ask("select 1").map(|_| Some(()))
        })?;
        match self.flavour() {
            Flavour::MariaDb => Ok(()),
            Flavour::MySql => {
                self.warm()?;
                // What the server tells itself at its start stands in its log too.
                self.reset_statements()
            }
        }
    }

    /// Lets the server know the passwords of those who come over TCP: the first login after a start is by TLS, by a key, or over
    /// its socket, and drivers without TLS have neither.
    fn warm(&self) -> Result<()> {
        let socket = self.0.folder.join("socket");
        USERS
            .iter()
            .try_for_each(|user| wire::log_in(&socket, user, PASSWORD))
    }

    /// Stops the server in order and waits for its end. A frozen server is thawed first. Nothing happens if it is down.
    pub fn stop(&self) -> Result<()> {
        self.thaw();
        let mut server = self.alive();
        if let Some(server) = server.as_mut() {
            process::signal(server.child.id(), Signal::SIGTERM);
            self.wait_for("its end", || server.ended(self.name()))?;
        }
        *server = None;
        self.forget_number();
        Ok(())
    }

    /// Stops and starts again.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// Kills the server at once, as a power cut does, and returns when it is gone.
    pub fn kill(&self) -> Result<()> {
        let mut server = self.alive();
        let Some(Server { child, .. }) = server.as_mut() else {
            return Ok(());
        };
        process::kill_all(self.name(), child)?;
        *server = None;
        self.forget_number();
        Ok(())
    }

    /// Stops the process where it stands. Clients and the kernel's sockets see a server that does not answer.
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

    /// A variable of the server, now if it runs, and at every later start.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.preset(name, value);
        match self.is_running() {
            true => self.ask(&format!("set global {name} = {value}")).map(drop),
            false => Ok(()),
        }
    }

    /// A variable of the server from its next start on.
    pub(in crate::mariadb) fn preset(&self, name: &str, value: &str) {
        self.settings().insert(name.to_owned(), value.to_owned());
    }

    /// The number may be another process's from now on.
    fn forget_number(&self) {
        let _ = fs::remove_file(self.0.folder.join("server.pid"));
    }

    fn alive(&self) -> MutexGuard<'_, Option<Server>> {
        self.0.server.alive(self.name())
    }

    fn spawn(&self) -> Result<Child> {
        let inner = &self.0;
        let what = || format!("starting {}", inner.name);
        let path = |name: &str| inner.folder.join(name).display().to_string();
        let log = File::options().create(true).append(true).open(path("log"));
        let log = log.attempt(what)?;
        let mut command = inner.account.command(&inner.template.server);
        command.arg("--no-defaults").args(self.flavour().options());
        command.args([
            format!("--datadir={}", path("data")),
            format!("--tmpdir={}", inner.folder.display()),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("own.pid")),
            format!("--general-log-file={}", path("statements")),
            format!("--port={}", self.port()),
            format!("--server-id={}", inner.number),
        ]);
        let settings = self.settings();
        command.args(
            settings
                .iter()
                .map(|(name, value)| format!("--{name}={value}")),
        );
        drop(settings);
        command.stdout(Stdio::from(log.try_clone().attempt(what)?));
        command.stderr(Stdio::from(log));
        let mut child = command.spawn().attempt(what)?;
        // For the guardian, and at once: the server itself writes its number only when it has recovered.
        let told = fs::write(path("server.pid"), format!("{}\n", child.id()));
        if told.is_err() {
            let _ = child.kill();
        }
        told.attempt(what)?;
        Ok(child)
    }
}
