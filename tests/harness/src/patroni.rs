//! A cluster that Patroni looks after, with etcd beside it: real elections, real switch-overs.
//!
//! Needs Debian's packages `patroni` and `etcd-server`. The servers themselves are the guardian's, as everywhere.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use crate::{
    Authority, Certified, Error, Result,
    account::Account,
    binaries::Binaries,
    error::Attempt,
    guardian::Guarded,
    port::Port,
    program::{self, end, keep},
    wait, wire,
};

const INSTALL: &str = "apt-get install -y --no-install-recommends patroni etcd-server python3-etcd";

/// One member: a server, and the Patroni that runs it.
#[derive(Debug)]
pub struct Member {
    name: String,
    folder: PathBuf,
    server: Port,
    rest: Port,
    /// Its interface speaks TLS, by this certificate.
    tls: Option<Certified>,
    patroni: Option<Child>,
}

/// See the module. Dropping it ends everything.
#[derive(Debug)]
pub struct Patroni {
    members: Vec<Member>,
    account: Account,
    patronictl: PathBuf,
    etcd: Option<Child>,
    _ports: Vec<Port>,
    _folder: Guarded,
}

impl Member {
    /// Its name, in Patroni's words too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its server listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// A URL of its server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.addr())
    }

    /// Where its REST interface listens.
    #[must_use]
    pub fn rest(&self) -> String {
        let scheme = match &self.tls {
            None => "http",
            Some(_) => "https",
        };
        format!("{scheme}://{}", self.rest.addr())
    }

    /// Runs SQL on its server, past everything.
    pub fn sql(&self, sql: &str) -> Result<String> {
        let socket = self
            .folder
            .join(format!(".s.PGSQL.{}", self.server.number()));
        let rows = wire::query(&socket, "postgres", "", sql)?;
        let first = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        Ok(first.flatten().unwrap_or_default())
    }

    /// Whether its server takes writes.
    pub fn is_primary(&self) -> Result<bool> {
        Ok(self.sql("select not pg_is_in_recovery()")? == "t")
    }

    /// What `GET /health` of its Patroni answers with: whether its server runs.
    fn is_healthy(&self) -> bool {
        if self.tls.is_some() {
            // It answers to nobody without a certificate.
            return self.is_primary().is_ok();
        }
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.rest.addr())?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| {
            answer
                .lines()
                .next()
                .is_some_and(|line| line.contains(" 200 "))
        })
    }
}

impl Patroni {
    /// Starts so many members with the smallest `ttl` and `loop_wait` that Patroni allows, and returns when one leads and
    /// the others stream from it.
    pub fn start(members: usize) -> Result<Self> {
        Self::start_as(members, None)
    }

    /// The same; the interfaces speak TLS and take those alone who show a certificate of this authority.
    pub fn start_with_tls(members: usize, authority: &Authority) -> Result<Self> {
        Self::start_as(members, Some(authority))
    }

    fn start_as(members: usize, authority: Option<&Authority>) -> Result<Self> {
        let account = Account::find()?;
        let binaries = Binaries::find(&account)?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        let ports = [Port::reserve()?, Port::reserve()?];
        let etcd = Some(keep(
            &account,
            folder.path(),
            "etcd",
            &[
                program::find("etcd", INSTALL)?.display().to_string(),
                "--data-dir".to_owned(),
                folder.path().join("etcd").display().to_string(),
                "--listen-client-urls".to_owned(),
                format!("http://{}", ports[0].addr()),
                "--advertise-client-urls".to_owned(),
                format!("http://{}", ports[0].addr()),
                "--listen-peer-urls".to_owned(),
                format!("http://{}", ports[1].addr()),
            ],
        )?);
        let mut all = Vec::new();
        for number in 1..=members {
            let name = format!("m{number}");
            let folder = folder.path().join(&name);
            account.folder(&folder)?;
            all.push(Member {
                name,
                folder,
                server: Port::reserve()?,
                rest: Port::reserve()?,
                tls: authority
                    .map(|authority| authority.sign(&["127.0.0.1"]))
                    .transpose()?,
                patroni: None,
            });
        }
        let mut cluster = Self {
            members: all,
            account,
            patronictl: program::find("patronictl", INSTALL)?,
            etcd,
            _ports: ports.into(),
            _folder: folder,
        };
        let etcd = cluster._ports[0].addr();
        let bin = binaries.program("postgres")?;
        let bin = bin.parent().unwrap_or(Path::new("/")).to_owned();
        for at in 0..members {
            let member = &cluster.members[at];
            let mut text = configuration(member, etcd, &bin);
            if let (Some(tls), Some(authority)) = (&member.tls, authority) {
                text = text.replace("restapi:\n", &interface_tls(tls, authority));
            }
            let path = member.folder.join("patroni.yml");
            fs::write(&path, text).attempt(|| format!("writing {}", path.display()))?;
            cluster.account.own(&path)?;
            cluster.run(at)?;
            if at == 0 {
                // The first one to come makes the cluster.
                cluster.until("a leader", |cluster| cluster.members[0].is_primary())?;
            }
        }
        cluster.until("streaming standbys", |cluster| {
            let leader = cluster.leader()?;
            let streaming =
                leader.sql("select count(*) from pg_stat_replication where state = 'streaming'")?;
            Ok(streaming == (members - 1).to_string()
                && cluster.members.iter().all(Member::is_healthy))
        })?;
        Ok(cluster)
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member that takes writes.
    pub fn leader(&self) -> Result<&Member> {
        let leads = |member: &&Member| member.is_primary().unwrap_or(false);
        self.members
            .iter()
            .find(leads)
            .ok_or_else(|| Error::Misuse {
                node: "patroni".to_owned(),
                what: "nobody leads now",
            })
    }

    /// A planned change of the leader; returns when Patroni says that it is done.
    pub fn switch_over(&self, to: &str) -> Result<()> {
        let leader = self.leader()?;
        let configuration = leader.folder.join("patroni.yml").display().to_string();
        let from = leader.name.clone();
        let arguments = [
            "-c",
            &configuration,
            "switchover",
            "--master",
            &from,
            "--candidate",
            to,
            "--force",
            "sea",
        ];
        self.account.run(&self.patronictl, &arguments).map(drop)
    }

    /// Kills a member at once: its Patroni and its server, as a power cut does.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let Some(member) = self.members.iter_mut().find(|member| member.name == name) else {
            return Ok(());
        };
        if let Some(child) = member.patroni.take() {
            end(child);
        }
        let pid = fs::read_to_string(member.folder.join("data/postmaster.pid"));
        let pid = pid.ok().and_then(|text| text.lines().next()?.parse().ok());
        if let Some(pid) = pid {
            crate::process::kill_family(pid);
        }
        Ok(())
    }

    fn run(&mut self, at: usize) -> Result<()> {
        let member = &mut self.members[at];
        let configuration = member.folder.join("patroni.yml").display().to_string();
        let arguments = [
            program::find("patroni", INSTALL)?.display().to_string(),
            configuration,
        ];
        member.patroni = Some(keep(&self.account, &member.folder, "patroni", &arguments)?);
        Ok(())
    }

    fn until(&self, what: &str, ready: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let log = || {
            let logs = self
                .members
                .iter()
                .map(|member| member.folder.join("patroni.log"));
            let tail = |path: PathBuf| {
                let text = fs::read_to_string(path).unwrap_or_default();
                let lines: Vec<&str> = text.lines().rev().take(8).collect();
                lines.into_iter().rev().collect::<Vec<_>>().join("\n")
            };
            logs.map(tail).collect::<Vec<_>>().join("\n--\n")
        };
        wait::until("patroni", what, log, || Ok(ready(self)?.then_some(())))
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        let patronis = self
            .members
            .iter_mut()
            .filter_map(|member| member.patroni.take());
        patronis.chain(self.etcd.take()).for_each(end);
        // The guardian ends the servers and removes the folder.
    }
}

fn configuration(member: &Member, etcd: SocketAddr, bin: &Path) -> String {
    let (name, folder) = (&member.name, member.folder.display());
    let (server, rest, bin) = (member.server.addr(), member.rest.addr(), bin.display());
    format!(
        "scope: sea
name: {name}
restapi:
  listen: {rest}
  connect_address: {rest}
etcd3:
  hosts: {etcd}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      parameters:
        wal_log_hints: 'on'
        max_connections: 100
        fsync: 'off'
        wal_keep_size: 256MB
        wal_retrieve_retry_interval: 100ms
  initdb:
  - encoding: UTF8
  - locale: C
  pg_hba:
  - local all all trust
  - host replication all 127.0.0.1/32 trust
  - host all all 127.0.0.1/32 trust
postgresql:
  listen: {server}
  connect_address: {server}
  data_dir: {folder}/data
  bin_dir: {bin}
  pgpass: {folder}/pgpass
  authentication:
    superuser:
      username: postgres
    replication:
      username: postgres
  parameters:
    unix_socket_directories: {folder}
    shared_buffers: 16MB
    dynamic_shared_memory_type: mmap
"
    )
}

/// What makes the interface speak TLS, and lets Patroni's own programs ask it.
fn interface_tls(of: &Certified, authority: &Authority) -> String {
    let (certificate, key) = (of.certificate.display(), of.key.display());
    let authority = authority.certificate();
    let authority = authority.display();
    format!(
        "ctl:
  cacert: {authority}
  certfile: {certificate}
  keyfile: {key}
restapi:
  certfile: {certificate}
  keyfile: {key}
  cafile: {authority}
  verify_client: required
"
    )
}
