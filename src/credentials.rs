//! What connections log in with, where that changes while the application runs: a password in a file, a token of a cloud.
//!
//! Each node has its credentials in one place ([`NodeCredentials`]), and everything that connects takes them from there:
//! its pools, the connections that ask it what it is and how far it has come, and what `concrete()` hands out. They are
//! asked for anew when they are about to end, when their file says something else, and when a server refuses them. A
//! refused login is tried again for a while: a password is changed at the server and where it is kept, and one of the two
//! comes first. What is connected stays connected; its age ends it.
//!
//! A hook in the pool that asks before each connection was the other way; sqlx has none, and connections of
//! [`concrete()`](crate::RoutedConnection::concrete) would not have had it either.

mod node;
mod origin;
mod passfile;
mod provider;
mod refused;
mod registry;

#[cfg(test)]
pub(crate) use self::passfile::{Wanted, password_in};
pub use self::provider::{Credentials, CredentialsProvider, CredentialsRequest};
pub(crate) use self::{
    node::{NodeCredentials, TakesCredentials},
    origin::{CredentialsOrigin, OriginKind},
    refused::Login,
    registry::CredentialsRegistry,
};
