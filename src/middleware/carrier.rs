//! What carries a bookmark between client and server.

use cookie::{Cookie, SameSite};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};

use crate::position::Bookmark;

#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Cookie {
        name: String,
        /// Over HTTPS only.
        secure: bool,
    },
    /// A header, the same one in both directions.
    Header(HeaderName),
}

impl Default for Carrier {
    fn default() -> Self {
        Self::Cookie {
            name: "sealane".to_owned(),
            secure: true,
        }
    }
}

impl Carrier {
    pub(super) fn rename(&mut self, name: String) {
        let secure = !matches!(self, Self::Cookie { secure: false, .. });
        *self = Self::Cookie { name, secure };
    }

    pub(super) fn insecure(&mut self) {
        if let Self::Cookie { secure, .. } = self {
            *secure = false;
        }
    }

    /// The text that the client brought.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<String> {
        match self {
            Self::Header(name) => Some(headers.get(name)?.to_str().ok()?.trim().to_owned()),
            Self::Cookie { name, .. } => headers
                .get_all(COOKIE)
                .iter()
                // Another cookie may hold anything.
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .flat_map(Cookie::split_parse)
                .filter_map(Result::ok)
                .find(|cookie| cookie.name() == name)
                .map(|cookie| cookie.value().to_owned()),
        }
    }

    /// Gives the client this one.
    pub(super) fn write(&self, bookmark: &Bookmark, headers: &mut HeaderMap) {
        let (header, text) = match self {
            Self::Header(name) => (name.clone(), bookmark.to_string()),
            Self::Cookie { name, secure } => {
                let cookie = Cookie::build((name, bookmark.to_string()))
                    .path("/")
                    .http_only(true)
                    .same_site(SameSite::Lax)
                    .secure(*secure);
                (SET_COOKIE, cookie.to_string())
            }
        };
        match (HeaderValue::try_from(text), self) {
            (Ok(value), Self::Header(_)) => drop(headers.insert(header, value)),
            // Beside the application's own cookies.
            (Ok(value), Self::Cookie { .. }) => drop(headers.append(header, value)),
            // A header's own name is one already, and a bookmark is plain text.
            (Err(_), Self::Header(_)) => {}
            (Err(_), Self::Cookie { name, .. }) => {
                tracing::warn!(
                    name,
                    "this name of a cookie cannot stand in a header, so no response carries a bookmark: give SessionLayer another one"
                )
            }
        }
    }
}
