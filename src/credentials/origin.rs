//! Where the credentials of a node come from: a file that holds a password, a file as libpq reads it, the application.

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use futures_util::FutureExt;
use sea_orm::{DbErr, RuntimeErr};

use super::{
    passfile::{Wanted, password_in},
    provider::{Credentials, CredentialsProvider, CredentialsRequest},
};

/// Where the credentials of one node come from.
pub(crate) struct CredentialsOrigin {
    pub(crate) kind: OriginKind,
    /// What is asked for.
    pub(crate) request: CredentialsRequest,
    /// The node in messages.
    pub(crate) address: String,
}

/// Who gives them.
#[derive(Clone, Debug)]
pub(crate) enum OriginKind {
    /// A file that holds a password, and the setting that names it.
    File {
        path: PathBuf,
        setting: String,
    },
    /// A file as libpq reads it.
    Passfile(PathBuf),
    Provider(CredentialsProvider),
}

impl CredentialsOrigin {
    /// What two origins of the same credentials have in common.
    pub(super) fn key(&self) -> String {
        // With the request's port: two servers may have their sockets in one folder.
        let Self {
            kind,
            request,
            address,
        } = self;
        format!("{kind:?} {address} {request:?}")
    }

    /// These, as a connection takes them after those before: who had another user is the URL's again.
    pub(super) fn completed(
        &self,
        mut given: Credentials,
        before: Option<&Credentials>,
    ) -> Credentials {
        let had = before.is_some_and(|before| before.user.is_some());
        if had && given.user.is_none() {
            given.user.clone_from(&self.request.user);
        }
        given
    }

    /// Whether asking is work for somebody else; a file costs nothing to look at.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.kind, OriginKind::Provider(_))
    }

    /// Asks. `refused`: a server has refused what was given last.
    pub(super) async fn ask(&self, refused: bool) -> Result<Credentials, DbErr> {
        match &self.kind {
            OriginKind::Provider(provider) => {
                let request = CredentialsRequest {
                    refused,
                    ..self.request.clone()
                };
                // The application's code, in tasks that many wait for.
                let asked = AssertUnwindSafe(async { provider.ask(request).await });
                match asked.catch_unwind().await {
                    Ok(given) => given.map_err(|err| self.failed(&format!("failed: {err}"))),
                    Err(_) => Err(self.failed("panicked")),
                }
            }
            OriginKind::File { path, .. } => {
                let text = self.read(path).await?;
                let password = text.strip_suffix('\n').unwrap_or(&text);
                let password = password.strip_suffix('\r').unwrap_or(password);
                match password.is_empty() {
                    true => Err(self.failed("names an empty file")),
                    false => Ok(Credentials::password(password)),
                }
            }
            OriginKind::Passfile(path) => {
                let password = password_in(&self.read(path).await?, &self.wanted());
                let none =
                    "names a file without a line for the node's host, port, database and user";
                let password = password.ok_or_else(|| self.failed(none))?;
                Ok(Credentials::password(password))
            }
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        let request = &self.request;
        let user = request.user.as_deref().unwrap_or_default();
        Wanted {
            host: match &request.host {
                Some(host) => host.trim_matches(['[', ']']),
                // What libpq says for a socket: its folder, unless that is the usual one.
                None if self.address.starts_with('/') && !is_usual(&self.address) => &self.address,
                None => "localhost",
            },
            port: request.port.unwrap_or(5432),
            database: request.database.as_deref().unwrap_or(user),
            user,
        }
    }

    async fn read(&self, path: &Path) -> Result<String, DbErr> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
        let read = read.unwrap_or_else(|ended| Err(std::io::Error::other(ended)));
        read.map_err(|err| {
            self.failed(&format!("names a file that cannot be read: {}", err.kind()))
        })
    }

    /// Whatever stands in the setting may be a secret that was put into the wrong place, so it is not shown.
    pub(super) fn failed(&self, what: &str) -> DbErr {
        let who = match &self.kind {
            OriginKind::File { setting, .. } => setting.as_str(),
            OriginKind::Passfile(_) => "the URL's parameter passfile",
            OriginKind::Provider(_) => "the credentials provider",
        };
        let address = &self.address;
        DbErr::Conn(RuntimeErr::Internal(format!(
            "no credentials for {address}: {who} {what}"
        )))
    }
}

/// Whether servers have their sockets in this folder by default, upstream's or a distribution's.
fn is_usual(folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    ["/tmp", "/run/postgresql", "/var/run/postgresql"].contains(&folder)
}
