//! A template's options of MariaDB and MySQL, pointed at a node.

use sea_orm::{
    ConnectOptions, DbErr, SqlxMySqlConnector,
    sqlx::{self, ConnectOptions as _, mysql::MySqlConnectOptions},
};

use crate::{
    config::{NodeConfig, NodeUrl},
    error::DbErrKind,
    node::open::template::{Certificate, logged, silent, take_certificates, unread, url_of},
};

/// The caller's options as sqlx sees them after the caller's closures, pointed at this node.
pub(super) async fn retargeted(
    template: &ConnectOptions,
    node: &NodeConfig,
) -> Result<MySqlConnectOptions, DbErr> {
    let pool = SqlxMySqlConnector::connect(silent(template.clone())).await?;
    let pool = pool.get_mysql_connection_pool();
    let options = pool.connect_options().as_ref().clone();
    pointed(options, template, &node.url)
}

/// The options that the node's URL says.
pub(super) fn parsed(url: &NodeUrl) -> Result<MySqlConnectOptions, DbErr> {
    let options: MySqlConnectOptions = url
        .without_password()
        .parse()
        .map_err(|err: sqlx::Error| DbErrKind::Conn.of_sqlx(err))?;
    Ok(with_password(options, url))
}

/// These options with the password that the URL or its file has.
pub(super) fn with_password(options: MySqlConnectOptions, url: &NodeUrl) -> MySqlConnectOptions {
    match url.password() {
        Some(password) => options.password(password),
        None => options,
    }
}

/// What the node's URL says otherwise than the template's, on top of what SeaORM and the caller made of that.
pub(super) fn pointed(
    mut options: MySqlConnectOptions,
    template: &ConnectOptions,
    url: &NodeUrl,
) -> Result<MySqlConnectOptions, DbErr> {
    let base = url_of(template);
    let said = url.beside(base.as_ref());
    let plain = parsed(url)?;
    if said.address {
        options = match plain.get_socket() {
            Some(path) => options.socket(path),
            None => off_socket(options, template, base.as_ref())?.host(plain.get_host()),
        };
        options = options.port(plain.get_port());
    }
    if let Some(user) = said.user {
        // Whatever the password of the template's user is, it is told to nobody else's server.
        let password = url.password().unwrap_or_default();
        options = options.username(user).password(password);
    }
    if let Some(database) = said.database {
        options = options.database(database);
    }
    if let Some(password) = url.own_password(base.as_ref()) {
        options = options.password(password);
    }
    said.parameters
        .into_iter()
        .try_fold(options, |options, (key, value)| put(options, key, value))
}

/// The meaning that sqlx gives to a URL's parameter.
fn put(options: MySqlConnectOptions, key: &str, value: &str) -> Result<MySqlConnectOptions, DbErr> {
    Ok(match key {
        "sslmode" | "ssl-mode" => {
            options.ssl_mode(value.parse().map_err(|err: sqlx::Error| unread(key, err))?)
        }
        "sslca" | "ssl-ca" => options.ssl_ca(value),
        "sslcert" | "ssl-cert" => options.ssl_client_cert(value),
        "sslkey" | "ssl-key" => options.ssl_client_key(value),
        "statement-cache-capacity" => {
            let capacity = value.parse::<usize>().map_err(|err| unread(key, err))?;
            options.statement_cache_capacity(capacity)
        }
        "charset" => options.charset(value),
        "collation" => options.collation(value),
        "timezone" | "time-zone" => options.timezone(Some(value.to_owned())),
        _ => options,
    })
}

/// The options without a socket, which would win over every host and cannot be taken back.
fn off_socket(
    options: MySqlConnectOptions,
    template: &ConnectOptions,
    base: Option<&NodeUrl>,
) -> Result<MySqlConnectOptions, DbErr> {
    if options.get_socket().is_none() {
        return Ok(options);
    }
    let mut url = options.clone().username("user").to_url_lossy();
    let certificates = take_certificates(&mut url);
    // The driver writes the collation as a second charset.
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != "socket" && key != "charset")
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    let free = MySqlConnectOptions::from_url(&url).map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
    let mut free = logged(free, template)
        .username(options.get_username())
        .charset(options.get_charset());
    if let Some(collation) = options.get_collation() {
        free = free.collation(collation);
    }
    for (key, certificate) in certificates {
        free = match (key.as_str(), certificate) {
            ("ssl-ca", Certificate::File(path)) => free.ssl_ca(path),
            ("ssl-ca", Certificate::Pem(text)) => free.ssl_ca_from_pem(text.into()),
            ("ssl-cert", Certificate::File(path)) => free.ssl_client_cert(path),
            ("ssl-cert", Certificate::Pem(text)) => free.ssl_client_cert_from_pem(text),
            (_, Certificate::File(path)) => free.ssl_client_key(path),
            (_, Certificate::Pem(text)) => free.ssl_client_key_from_pem(text),
        };
    }
    let zones = base.into_iter().flat_map(|base| &base.parameters);
    zones
        .filter(|(key, _)| matches!(key.as_str(), "timezone" | "time-zone"))
        .try_fold(free, |free, (key, value)| put(free, key, value))
}
