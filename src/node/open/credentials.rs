//! Which credentials a node has, by its configuration, and whether a login was refused.

use std::{path::PathBuf, sync::Arc};

use sea_orm::DbErr;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::sqlx::ConnectOptions;

use crate::{
    config::{Config, NodeConfig},
    credentials::{CredentialsOrigin, CredentialsRequest, Login, NodeCredentials, OriginKind},
    signal,
};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::{credentials::Credentials, error::DbErrKind};

/// A node's credentials, where it does not simply have a password in its URL.
pub(super) fn credentials_of(config: &Config, node: &NodeConfig) -> Option<Arc<NodeCredentials>> {
    let url = &node.url;
    let origin = CredentialsOrigin {
        kind: kind(config, node)?,
        request: CredentialsRequest {
            host: url.host().map(str::to_owned),
            port: url.port(),
            user: url.user().map(str::to_owned),
            database: url.database().map(str::to_owned),
            refused: false,
        },
        address: url.shown_address(),
    };
    Some(config.registry.of(origin, config.connect_timeout))
}

/// The nearest to the node: what its own URL says, then the application, then the files.
fn kind(config: &Config, node: &NodeConfig) -> Option<OriginKind> {
    if let Some(path) = node.url.passfile() {
        return Some(OriginKind::Passfile(path.into()));
    }
    if let Some(provider) = &config.credentials {
        return Some(OriginKind::Provider(provider.clone()));
    }
    if node.url.password().is_some() {
        return None;
    }
    let file = |field, path: &Option<PathBuf>| {
        Some(OriginKind::File {
            path: path.clone()?,
            setting: config.name_of(field),
        })
    };
    let of_replicas = match node.is_of_replicas() {
        true => file("replica_password_file", &config.replica_password_file),
        false => None,
    };
    of_replicas.or_else(|| file("password_file", &config.password_file))
}

/// Opens a connection of our own by these options, with what the node logs in with now.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) async fn logged_in<O: ConnectOptions>(
    from: Option<Arc<NodeCredentials>>,
    options: O,
    signed_in: fn(O, Option<&Credentials>) -> O,
) -> Result<O::Connection, DbErr>
where
    O::Connection: Sized,
{
    let mut login = from.as_ref().map(Login::new);
    loop {
        let signed = match &mut login {
            Some(login) => Some(login.credentials().await?),
            None => None,
        };
        let connected = signed_in(options.clone(), signed.as_ref()).connect().await;
        match connected.map_err(|err| DbErrKind::Conn.of_sqlx(err)) {
            Err(err) if logs_in_again(&mut login, &err).await => {}
            connected => return connected,
        }
    }
}

/// Whether to connect again after this error: a server refused the login, and there is another one, or may soon be.
pub(crate) async fn logs_in_again(login: &mut Option<Login>, err: &DbErr) -> bool {
    match login {
        Some(login) if signal::is_login_refused(err) => login.try_again().await,
        _ => false,
    }
}
