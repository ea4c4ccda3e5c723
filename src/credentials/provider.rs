//! What a provider is asked and what it answers.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

/// What a connection logs in with.
///
/// ```
/// use std::time::Duration;
/// use sealane::Credentials;
///
/// let token = Credentials::password("a token").valid_for(Duration::from_secs(900));
/// assert_eq!(format!("{token:?}"), "Credentials { user: None, password: ***, valid_for: Some(900s) }");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: String,
    pub(crate) valid_for: Option<Duration>,
}

impl Credentials {
    /// This password, for the user that the node's URL names.
    #[must_use]
    pub fn password(password: impl Into<String>) -> Self {
        Self {
            user: None,
            password: password.into(),
            valid_for: None,
        }
    }

    /// These credentials for this user, whatever the node's URL says.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// How long from now a login with them is accepted. They are asked for anew when a quarter of that is left. Default:
    /// until a server refuses them, which is enough for what the handle itself connects; connections that the application
    /// takes from a pool of [`concrete()`](crate::RoutedConnection::concrete) are refused once before.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = Some(time);
        self
    }

    /// Whether two credentials are one login.
    pub(super) fn same_login(&self, other: &Self) -> bool {
        self.user == other.user && self.password == other.password
    }
}

/// Shows no password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &format_args!("***"))
            .field("valid_for", &self.valid_for)
            .finish()
    }
}

/// For which node credentials are wanted, and why now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialsRequest {
    /// The node's host as its URL names it; none for a socket, or where the URL leaves it to the driver.
    pub host: Option<String>,
    /// The node's port; none where the URL leaves it to the driver.
    pub port: Option<u16>,
    /// The user that the node's URL names.
    pub user: Option<String>,
    /// The database that the node's URL names.
    pub database: Option<String>,
    /// The server has refused what was given last.
    pub refused: bool,
}

type ProviderAnswer = BoxFuture<'static, Result<Credentials, Box<dyn Error + Send + Sync>>>;

/// Whoever gives credentials, as [`Builder::credentials`](crate::Builder::credentials) takes it.
#[derive(Clone)]
pub struct CredentialsProvider(Arc<dyn Fn(CredentialsRequest) -> ProviderAnswer + Send + Sync>);

impl CredentialsProvider {
    /// This function. It is called for each node, at the start, when a quarter of the credentials' time is left, and when a
    /// server has refused them, but not more often than once a second for that; it has three quarters
    /// of [`Config::connect_timeout`](crate::Config::connect_timeout) to answer.
    pub fn new<F, A>(ask: F) -> Self
    where
        F: Fn(CredentialsRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Credentials, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(ask(request))))
    }

    pub(super) fn ask(&self, request: CredentialsRequest) -> ProviderAnswer {
        (self.0)(request)
    }
}

impl fmt::Debug for CredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsProvider")
    }
}
