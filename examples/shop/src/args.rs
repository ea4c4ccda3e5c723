//! What the command line says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub const HELP: &str = "\
A small shop on SeaORM and sealane, with a page that shows where its reads go.

usage: sealane-shop [--cluster] [--port PORT]

  --cluster      starts a PostgreSQL primary and a standby of its own, with buttons on the page that kill, promote and lag
                 them; they are gone when it ends
  --port PORT    the port on 127.0.0.1; 8080 where none is given, 0 for any that is free

Without --cluster the shop has the servers of DATABASE_URL and DATABASE_REPLICA_URLS, or where these are not set a SQLite
file of its own, which is gone when it ends.";

/// What the visitor who starts it asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Args {
    pub cluster: bool,
    pub addr: SocketAddr,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Serve(Args),
    Help,
}

/// Reads the arguments behind the program's name.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Asked, String> {
    let mut args = args.into_iter();
    let (mut cluster, mut port) = (false, 8080);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--cluster" => cluster = true,
            "--port" => {
                let given = args.next().unwrap_or_default();
                port = given
                    .parse()
                    .map_err(|_| format!("--port takes a number from 0 to 65535, not `{given}`"))?;
            }
            "--help" | "-h" => return Ok(Asked::Help),
            other => return Err(format!("there is no argument `{other}`\n\n{HELP}")),
        }
    }
    // The page kills servers for whoever asks: it is for this machine alone.
    let addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    Ok(Asked::Serve(Args { cluster, addr }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Asked, String> {
        parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn arguments_are_read_and_wrong_ones_named() {
        let Ok(Asked::Serve(args)) = parsed(&["--cluster", "--port", "0"]) else {
            panic!("these are right");
        };
        assert!(args.cluster && args.addr.port() == 0 && args.addr.ip().is_loopback());
        assert_eq!(parsed(&["--cluster", "-h"]), Ok(Asked::Help));
        assert!(parsed(&["--port", "x"]).is_err_and(|why| why.contains("not `x`")));
        assert!(parsed(&["--port"]).is_err_and(|why| why.contains("from 0 to 65535")));
        assert!(parsed(&["--clutser"]).is_err_and(|why| why.contains("`--clutser`")));
    }
}
