//! A question to Patroni's interface: by which certificates, as whom, and to nobody else.
//!
//! The files are read for each question, so that what changes there needs no restart. A login goes to the configured
//! address alone: no redirect is followed and no proxy of the environment is asked. Of a file's content nothing is ever
//! shown.

#[cfg(any(feature = "runtime-tokio-rustls", feature = "runtime-tokio-native-tls"))]
mod tls;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use ureq::http::header::AUTHORIZATION;

use super::super::NoAnswer;
use crate::config::Config;

/// One question, connecting included.
const LIMIT: Duration = Duration::from_secs(2);

/// What an answer of Patroni has at most: a member is some 300 bytes.
const LONGEST: u64 = 4 << 20;

/// The files that a question needs, with the settings that name them.
#[cfg_attr(
    not(any(feature = "runtime-tokio-rustls", feature = "runtime-tokio-native-tls")),
    expect(dead_code, reason = "without TLS only the login is read")
)]
#[derive(Clone, Debug)]
pub(super) struct Files {
    authorities: Option<File>,
    certificate: Option<File>,
    key: Option<File>,
    login: Option<File>,
}

#[derive(Clone, Debug)]
struct File {
    setting: String,
    path: PathBuf,
}

impl File {
    fn read(&self) -> Result<String, NoAnswer> {
        std::fs::read_to_string(&self.path)
            .map_err(|err| self.wrong(format!("cannot be read: {err}")))
    }

    fn wrong(&self, what: impl std::fmt::Display) -> NoAnswer {
        NoAnswer(format!("the file of {} {what}", self.setting))
    }
}

impl Files {
    pub(super) fn of(config: &Config) -> Self {
        let file = |field, path: &Option<PathBuf>| {
            path.as_deref().map(|path: &Path| File {
                setting: config.name_of(field),
                path: path.to_owned(),
            })
        };
        Self {
            authorities: file("discovery_ca", &config.discovery_ca),
            certificate: file("discovery_cert", &config.discovery_cert),
            key: file("discovery_key", &config.discovery_key),
            login: file("discovery_login_file", &config.discovery_login_file),
        }
    }

    /// The header that logs in.
    fn login(&self) -> Result<Option<String>, NoAnswer> {
        let Some(file) = &self.login else {
            return Ok(None);
        };
        let text = file.read()?;
        let login = text.trim_end_matches(['\r', '\n']);
        if !login.contains(':') || login.contains(['\r', '\n']) {
            return Err(file.wrong("must hold one line, `user:password`"));
        }
        Ok(Some(format!("Basic {}", BASE64.encode(login))))
    }
}

/// The text that this address answers with.
pub(super) fn get(url: &str, files: &Files) -> Result<String, NoAnswer> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None);
    // Without the feature the configuration was refused.
    #[cfg(any(feature = "runtime-tokio-rustls", feature = "runtime-tokio-native-tls"))]
    let agent = match url.starts_with("https://") {
        true => agent.tls_config(tls::settings(files)?),
        false => agent,
    };
    let agent: ureq::Agent = agent.build().into();
    let mut question = agent.get(url);
    if let Some(login) = files.login()? {
        question = question.header(AUTHORIZATION, login);
    }
    let failed = |err: ureq::Error| NoAnswer(format!("Patroni: {err}"));
    let mut response = question.call().map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        return Err(NoAnswer(format!(
            "Patroni answers with {status}; a redirect is not followed: name the address itself"
        )));
    }
    let body = response.body_mut().with_config().limit(LONGEST);
    body.read_to_string().map_err(failed)
}

#[cfg(test)]
#[path = "../../../../tests/pure/patroni.rs"]
mod tests;
