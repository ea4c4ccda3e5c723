//! TLS of one server.

use std::sync::PoisonError;

use super::Node;
use crate::{Authority, Certified, Result};

/// Which clients a server with TLS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsClients {
    /// Those that speak TLS, with a password if the cluster has one.
    Any,
    /// Those that show a certificate of the server's authority with their user's name.
    Certified,
}

impl Node {
    /// Speaks TLS from now on, and takes nobody over TCP without it. Clients' certificates are checked against `authority`.
    pub fn serve_tls(
        &self,
        certified: &Certified,
        authority: &Authority,
        clients: TlsClients,
    ) -> Result<()> {
        let path = |path: &std::path::Path| path.display().to_string();
        let files = [
            ("ssl_cert_file", path(&certified.certificate)),
            ("ssl_key_file", path(&certified.key)),
            ("ssl_ca_file", path(&authority.certificate())),
            ("ssl", "on".to_owned()),
        ];
        self.preset(files.iter().map(|(name, value)| (*name, value.as_str())));
        let mut now = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *now = Some(clients);
        drop(now);
        self.configure()?;
        self.wait_for("TLS", || Ok((self.sql("show ssl")? == "on").then_some(())))
    }

    /// The lines that let clients in.
    pub(super) fn clients(&self, method: &str) -> String {
        let clients = *self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match clients {
            None => format!("host all all 127.0.0.1/32 {method}"),
            Some(TlsClients::Any) => format!("hostssl all all 127.0.0.1/32 {method}"),
            Some(TlsClients::Certified) => "hostssl all all 127.0.0.1/32 cert".to_owned(),
        }
    }
}
