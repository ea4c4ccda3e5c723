//! A DNS server that tells what a test wants, on a port of its own.
//!
//! Needs Debian's package `dnsmasq-base`.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Child,
};

use crate::{
    Result, account::Account, error::Attempt, guardian::Guarded, port::Port, program, wait,
};

const INSTALL: &str = "apt-get install -y --no-install-recommends dnsmasq-base";

/// See the module. Dropping it ends the server.
#[derive(Debug)]
pub struct Dns {
    account: Account,
    server: Option<Child>,
    port: Port,
    folder: Guarded,
}

impl Dns {
    /// Starts a server that knows nothing.
    pub fn start() -> Result<Self> {
        let account = Account::find()?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        let mut dns = Self {
            account,
            server: None,
            port: Port::reserve()?,
            folder,
        };
        dns.answer("")?;
        Ok(dns)
    }

    /// Where it answers, by UDP and TCP.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// A host has these addresses, and nobody else has any.
    pub fn host(&mut self, name: &str, addresses: &[Ipv4Addr]) -> Result<()> {
        let lines = addresses
            .iter()
            .map(|ip| format!("host-record={name},{ip}\n"));
        self.answer(&lines.collect::<String>())
    }

    /// A service has these targets, each with a port and a weight; all targets are at `127.0.0.1`.
    pub fn service(&mut self, name: &str, targets: &[(&str, u16, u16)]) -> Result<()> {
        let lines = targets.iter().map(|(target, port, weight)| {
            format!("srv-host={name},{target},{port},0,{weight}\nhost-record={target},127.0.0.1\n")
        });
        self.answer(&lines.collect::<String>())
    }

    /// Ends the server: nobody answers any more.
    pub fn stop(&mut self) {
        self.server.take().into_iter().for_each(program::end);
    }

    /// It reads services at its start only, so each change is a new start; whoever asks meanwhile gets no answer.
    fn answer(&mut self, records: &str) -> Result<()> {
        self.stop();
        let path = self.folder.path().join("dnsmasq.conf");
        let text = format!(
            "keep-in-foreground\nport={}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\npid-file\n\
             local=/test/\nlocal-ttl=3600\n{records}",
            self.port.number()
        );
        fs::write(&path, text).attempt(|| format!("writing {}", path.display()))?;
        self.account.own(&path)?;
        let arguments = [
            program::find("dnsmasq", INSTALL)?.display().to_string(),
            format!("--conf-file={}", path.display()),
        ];
        let server = program::keep(&self.account, self.folder.path(), "dnsmasq", &arguments)?;
        self.server = Some(server);
        let log = self.folder.path().join("dnsmasq.log");
        let log = || fs::read_to_string(&log).unwrap_or_default();
        wait::until("dnsmasq", "an answer", log, || {
            Ok(TcpStream::connect(self.addr()).is_ok().then_some(()))
        })
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop();
    }
}
