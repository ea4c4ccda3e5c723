//! A template's options of PostgreSQL, pointed at a node.

use sea_orm::{
    ConnectOptions, DbErr, SqlxPostgresConnector,
    sqlx::{self, ConnectOptions as _, postgres::PgConnectOptions},
};

use crate::{
    config::{Config, NodeConfig, NodeUrl},
    error::DbErrKind,
    node::open::template::{
        Certificate, logged, password_in, silent, take_certificates, unread, url_of,
    },
};

/// The caller's options as sqlx sees them after the caller's closures, pointed at this node.
pub(super) async fn retargeted(
    config: &Config,
    template: &ConnectOptions,
    node: &NodeConfig,
) -> Result<PgConnectOptions, DbErr> {
    let mut template = template.clone();
    // Our knob has the template's value, unless it was set to another one; zero is the server's word for none.
    let limit = config.statement_timeout.unwrap_or_default();
    if !limit.is_zero() || template.get_statement_timeout().is_some() {
        template.statement_timeout(limit);
    }
    let pool = SqlxPostgresConnector::connect(silent(template.clone())).await?;
    let pool = pool.get_postgres_connection_pool();
    let options = pool.connect_options().as_ref().clone();
    pointed(options, &template, &node.url)
}

/// The options that the node's URL says.
pub(super) fn parsed(url: &NodeUrl) -> Result<PgConnectOptions, DbErr> {
    let options: PgConnectOptions = url
        .without_password()
        .parse()
        .map_err(|err: sqlx::Error| DbErrKind::Conn.of_sqlx(err))?;
    Ok(with_password(options, url))
}

/// These options with the password that the URL or its file has.
pub(super) fn with_password(options: PgConnectOptions, url: &NodeUrl) -> PgConnectOptions {
    match url.password() {
        Some(password) => options.password(password),
        None => options,
    }
}

/// What the node's URL says otherwise than the template's, on top of what SeaORM and the caller made of that.
pub(super) fn pointed(
    mut options: PgConnectOptions,
    template: &ConnectOptions,
    url: &NodeUrl,
) -> Result<PgConnectOptions, DbErr> {
    let base = url_of(template);
    let said = url.beside(base.as_ref());
    let plain = parsed(url)?;
    if said.address {
        options = match plain.get_socket() {
            Some(path) => options.socket(path),
            None => off_socket(options, template)?.host(plain.get_host()),
        };
        options = options.port(plain.get_port());
    }
    if let Some(user) = said.user {
        let plain = plain.clone().username("user").to_url_lossy();
        // Whatever the password of the template's user is, it is told to nobody else's server.
        let password = password_in(plain.as_str()).unwrap_or_default();
        options = options.username(user).password(&password);
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
fn put(options: PgConnectOptions, key: &str, value: &str) -> Result<PgConnectOptions, DbErr> {
    Ok(match key {
        "sslmode" | "ssl-mode" => {
            options.ssl_mode(value.parse().map_err(|err: sqlx::Error| unread(key, err))?)
        }
        "sslrootcert" | "ssl-root-cert" | "ssl-ca" => options.ssl_root_cert(value),
        "sslcert" | "ssl-cert" => options.ssl_client_cert(value),
        "sslkey" | "ssl-key" => options.ssl_client_key(value),
        "statement-cache-capacity" => {
            let capacity = value.parse::<usize>().map_err(|err| unread(key, err))?;
            options.statement_cache_capacity(capacity)
        }
        "application_name" => options.application_name(value),
        "options" => options.options(server_options(value)),
        key => match key.strip_prefix("options[") {
            Some(name) => options.options([(name.trim_end_matches(']'), value)]),
            None => options,
        },
    })
}

/// The settings in a text for the server's command line, where a backslash keeps the next character: `-c a=b --c=d`.
fn server_options(text: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match (next, words.last_mut()) {
            (' ' | '\t' | '\n' | '\r', _) => words.push(String::new()),
            ('\\', Some(word)) => word.extend(rest.next()),
            (next, Some(word)) => word.push(next),
            (_, None) => {}
        }
    }
    words
        .iter()
        .filter_map(|word| {
            let word = word.trim_start_matches("--");
            word.strip_prefix("-c").unwrap_or(word).split_once('=')
        })
        .map(|(name, value)| (name.replace('-', "_"), value.to_owned()))
        .collect()
}

/// The options without a socket, which would win over every host and cannot be taken back.
fn off_socket(
    options: PgConnectOptions,
    template: &ConnectOptions,
) -> Result<PgConnectOptions, DbErr> {
    if options.get_socket().is_none() {
        return Ok(options);
    }
    // The driver's URL has neither of these, and the user's name unescaped.
    let (name, user) = (options.get_application_name(), options.get_username());
    let mut url = options.clone().username("user").to_url_lossy();
    let certificates = take_certificates(&mut url);
    url.set_host(Some("localhost"))
        .map_err(|err| unread("host", err))?;
    if let Some(text) = options.get_options() {
        url.query_pairs_mut().append_pair("options", text);
    }
    let free = PgConnectOptions::from_url(&url).map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
    let mut free = logged(free, template).username(user);
    for (key, certificate) in certificates {
        free = match (key.as_str(), certificate) {
            ("sslrootcert", Certificate::File(path)) => free.ssl_root_cert(path),
            ("sslrootcert", Certificate::Pem(text)) => free.ssl_root_cert_from_pem(text.into()),
            ("sslcert", Certificate::File(path)) => free.ssl_client_cert(path),
            ("sslcert", Certificate::Pem(text)) => free.ssl_client_cert_from_pem(text),
            (_, Certificate::File(path)) => free.ssl_client_key(path),
            (_, Certificate::Pem(text)) => free.ssl_client_key_from_pem(text),
        };
    }
    Ok(match name {
        Some(name) => free.application_name(name),
        None => free,
    })
}
