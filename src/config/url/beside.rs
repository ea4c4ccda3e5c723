//! What one URL says otherwise than another one.

use super::{Address, NodeUrl};

/// What a node's URL says otherwise than the URL of the caller's template.
///
/// A node's pool begins as the template, with all that the caller's closures made of it. What both URLs say alike stands
/// as they made it (a user or a password that a closure rotates, on every node), and so does what the node's leaves out;
/// whatever the node's URL says otherwise is put on top.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SaidBeside<'a> {
    /// Another host, socket or file.
    pub(crate) address: bool,
    /// Another user. The template's password is none of its business.
    pub(crate) user: Option<&'a str>,
    pub(crate) database: Option<&'a str>,
    /// The driver's own, each with its value.
    pub(crate) parameters: Vec<(&'a str, &'a str)>,
}

impl NodeUrl {
    /// Against a template's URL; where that cannot be read, all that this one says.
    pub(crate) fn beside<'a>(&'a self, template: Option<&NodeUrl>) -> SaidBeside<'a> {
        let names_one = !matches!(
            self.address,
            Address::Host {
                host: None,
                port: None
            }
        );
        let other = |own: &Option<String>, its: Option<&Option<String>>| Some(own) != its;
        let parameters = self
            .parameters
            .iter()
            .filter(|own| template.is_none_or(|template| !template.parameters.contains(own)));
        SaidBeside {
            address: names_one && template.is_none_or(|template| template.address != self.address),
            user: self
                .user
                .as_deref()
                .filter(|_| other(&self.user, template.map(|template| &template.user))),
            database: self
                .database
                .as_deref()
                .filter(|_| other(&self.database, template.map(|template| &template.database))),
            parameters: parameters
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }

    /// The password that this URL has and the template's has not.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn own_password(&self, template: Option<&NodeUrl>) -> Option<&str> {
        self.password()
            .filter(|own| template.and_then(NodeUrl::password) != Some(own))
    }
}
