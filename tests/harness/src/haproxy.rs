//! An HAProxy that gives each new connection to the next of some servers, by one address.
//!
//! Needs Debian's package `haproxy`.

use std::net::SocketAddr;

use crate::{Result, between::Between};

const INSTALL: &str = "apt-get install -y --no-install-recommends haproxy";

/// See the module. Dropping it ends the program.
#[derive(Debug)]
pub struct HaProxy(Between);

impl HaProxy {
    /// Starts one before these servers.
    pub fn over(servers: &[SocketAddr]) -> Result<Self> {
        let mut proxy = Self(Between::new("haproxy", INSTALL)?);
        proxy.point_at(servers)?;
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Starts it anew before other servers: whoever is connected loses that connection.
    pub fn point_at(&mut self, servers: &[SocketAddr]) -> Result<()> {
        let servers = servers.iter().enumerate();
        let servers = servers.map(|(n, addr)| format!(" server s{n} {addr}\n"));
        let text = format!(
            "defaults\n mode tcp\n timeout connect 1s\n timeout client 1h\n timeout server 1h\nlisten readers\n bind {}\n \
             balance roundrobin\n{}",
            self.addr(),
            servers.collect::<String>(),
        );
        let path = self.0.write("haproxy.cfg", &text)?;
        self.0.start(&["-db", "-f", &path.display().to_string()])
    }

    /// Ends it: nobody answers any more.
    pub fn stop(&mut self) {
        self.0.stop();
    }
}
