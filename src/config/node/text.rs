//! A node from a text of its own: a whole URL, or an item that takes from another node what it leaves out.

use super::NodeConfig;
use crate::config::error::ConfigError;
use crate::config::item::Item;
use crate::config::problems::Problems;
use crate::config::table;
use crate::config::url;
use crate::vocabulary::Role;

impl NodeConfig {
    /// A primary from a whole URL.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL; it is not quoted.
    pub fn primary(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::from_text(table::PRIMARY, url.as_ref(), None)
    }

    /// A replica from a whole URL, which inherits nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL; it is not quoted.
    pub fn replica(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::from_text(table::REPLICA, url.as_ref(), None)
    }

    /// A node whose role is found out by asking it, from a whole URL. PostgreSQL only, and with
    /// [`Failover::Auto`](crate::Failover::Auto): a list of such nodes needs no primary by name.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL; it is not quoted.
    pub fn with_unknown_role(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::replica(url).map(|node| node.as_role(Role::Unknown))
    }

    /// A replica that takes from this node whatever the item leaves out: `host[:port]` is enough.
    ///
    /// # Errors
    ///
    /// What is wrong with the item; it is not quoted.
    pub fn replica_like(&self, item: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::from_text(table::REPLICA, item.as_ref(), Some(self))
    }

    fn from_text(
        field: &'static str,
        text: &str,
        like: Option<&NodeConfig>,
    ) -> Result<Self, ConfigError> {
        let node = if field == table::PRIMARY {
            url::parse(text.trim()).map(|parsed| Self::of_primary(parsed.url, parsed.own))
        } else {
            Item::parse(text.trim()).and_then(|item| item.replica(like))
        };
        node.map_err(|message| Problems::only(field, message))
    }
}
