//! What `SEALANE_DISCOVERY=dns=…` asks, and whom.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// `NAME[:PORT][,…][@SERVER[:PORT]]`, as text in [`Discovery::Dns`](super::Discovery::Dns).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DnsQuestion {
    /// None: the hosts of the configured nodes.
    pub(crate) names: Vec<DnsName>,
    /// None: whom the system asks.
    pub(crate) server: Option<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DnsName {
    pub(crate) name: String,
    /// None: the port of the configured primary.
    pub(crate) port: Option<u16>,
}

impl DnsName {
    /// Services begin with an underscore (RFC 2782), hosts never do (RFC 1123).
    pub(crate) fn is_service(&self) -> bool {
        self.name.starts_with('_')
    }
}

impl FromStr for DnsQuestion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (names, server) = match text.rsplit_once('@') {
            Some((names, server)) => (names, Some(address(server.trim())?)),
            None => (text, None),
        };
        let names = names.split(',').map(str::trim);
        let names: Result<_, _> = names
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect();
        Ok(Self {
            names: names?,
            server,
        })
    }
}

impl FromStr for DnsName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            // Not shown: it may be a URL with a password.
            return Err("must name hosts or services after dns=, such as db.example.com:5432 or _postgresql._tcp.example.com".to_owned());
        }
        let name = Self {
            name: name.to_owned(),
            port: port
                .map(str::parse)
                .transpose()
                .ok()
                .filter(|port| *port != Some(0))
                .ok_or("has a port after dns= that is no number between 1 and 65535")?,
        };
        if name.is_service() && name.port.is_some() {
            return Err(
                "must not have a port behind a service's name after dns=: its records tell the ports"
                    .to_owned(),
            );
        }
        Ok(name)
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let alone = |ip: IpAddr| SocketAddr::new(ip, 53);
    text.parse()
        .or_else(|_| text.parse().map(alone))
        .map_err(|_| {
            "must name the DNS server behind @ by its address, such as 127.0.0.1:8600".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ports_and_a_server_are_read_and_nothing_else() {
        let read = |text: &str| text.parse::<DnsQuestion>();
        assert_eq!(read(""), Ok(DnsQuestion::default()));
        let question = read("a.b:5433, _db._tcp.b@127.0.0.1:8600").unwrap();
        assert_eq!(question.names[0].name, "a.b");
        assert_eq!(question.names[0].port, Some(5433));
        assert!(question.names[1].is_service());
        assert_eq!(question.server, "127.0.0.1:8600".parse().ok());
        assert_eq!(read("@::1").unwrap().server, "[::1]:53".parse().ok());
        for (wrong, told) in [
            ("user:secret@db.example.com", "its address"),
            ("postgres://db", "between 1 and 65535"),
            ("a b", "must name hosts"),
            ("a:0", "between 1 and 65535"),
            ("a:b", "between 1 and 65535"),
            ("_db._tcp.b:5", "must not have a port"),
        ] {
            let err = read(wrong).unwrap_err();
            assert!(err.contains(told), "{wrong}: {err}");
            assert!(!err.contains("secret"), "{err}");
        }
    }
    /// The builder takes the value itself, past its text.
    #[test]
    fn what_the_builder_is_given_is_read_as_well() {
        let asked = super::super::Discovery::Dns("app:secret@db".to_owned());
        let builder = super::super::Config::builder().primary("postgres://app@db/app");
        let err = builder.discovery(asked).build().unwrap_err().to_string();
        assert!(err.contains("discovery: must name the DNS server"), "{err}");
        assert!(!err.contains("secret"), "{err}");
    }
}
