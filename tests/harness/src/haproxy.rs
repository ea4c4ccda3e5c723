//! An HAProxy that gives each new connection to the next of some servers, by one address.
//!
//! Needs Debian's package `haproxy`.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::Child,
};

use crate::{
    Result, account::Account, error::Attempt, guardian::Guarded, port::Port, program, wait,
};

const INSTALL: &str = "apt-get install -y --no-install-recommends haproxy";

/// See the module. Dropping it ends the program.
#[derive(Debug)]
pub struct HaProxy {
    account: Account,
    program: Option<Child>,
    port: Port,
    folder: Guarded,
}

impl HaProxy {
    /// Starts one before these servers.
    pub fn over(servers: &[SocketAddr]) -> Result<Self> {
        let account = Account::find()?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        let mut proxy = Self {
            account,
            program: None,
            port: Port::reserve()?,
            folder,
        };
        proxy.point_at(servers)?;
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Starts it anew before other servers: whoever is connected loses that connection.
    pub fn point_at(&mut self, servers: &[SocketAddr]) -> Result<()> {
        self.stop();
        let servers = servers.iter().enumerate();
        let servers = servers.map(|(n, addr)| format!(" server s{n} {addr}\n"));
        let text = format!(
            "defaults\n mode tcp\n timeout connect 1s\n timeout client 1h\n timeout server 1h\nlisten readers\n bind {}\n \
             balance roundrobin\n{}",
            self.addr(),
            servers.collect::<String>(),
        );
        let path = self.folder.path().join("haproxy.cfg");
        fs::write(&path, text).attempt(|| format!("writing {}", path.display()))?;
        self.account.own(&path)?;
        let arguments = [
            program::find("haproxy", INSTALL)?.display().to_string(),
            "-db".to_owned(),
            "-f".to_owned(),
            path.display().to_string(),
        ];
        let program = program::keep(&self.account, self.folder.path(), "haproxy", &arguments)?;
        self.program = Some(program);
        let log = self.folder.path().join("haproxy.log");
        let log = || fs::read_to_string(&log).unwrap_or_default();
        wait::until("haproxy", "an answer", log, || {
            Ok(TcpStream::connect(self.addr()).is_ok().then_some(()))
        })
    }

    /// Ends it: nobody answers any more.
    pub fn stop(&mut self) {
        self.program.take().into_iter().for_each(program::end);
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        self.stop();
    }
}
