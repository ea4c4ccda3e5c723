//! What each node is called.
//!
//! The name that it was given, else where its server is; never its role, which moves: `primary` would stick to a server
//! that is none any more. Nor its number in a list, which changes with the others. Where two would be called alike,
//! both get their longer names, so that the order of a list decides nothing; only connections to one server that the
//! application made twice have to be counted.

use std::collections::BTreeSet;

use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use crate::config::url;

/// What one node may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// As somebody said.
    Named(String),
    /// The first of these that no other node has.
    ByServer(Vec<String>),
}

/// The names of all nodes of a cluster, in their order.
pub(crate) fn names(nodes: &[Called]) -> Vec<String> {
    let mut names: Vec<Option<String>> = nodes.iter().map(named).collect();
    let mut taken: BTreeSet<String> = names.iter().flatten().cloned().collect();
    let longest = nodes.iter().map(Called::choices).max().unwrap_or_default();
    for length in 0..longest {
        let wished = |at: usize| match names[at] {
            Some(_) => None,
            None => nodes[at].choice(length),
        };
        let wishes: Vec<Option<String>> = (0..nodes.len()).map(wished).collect();
        let only = |wish: &&String| {
            let same = wishes.iter().flatten().filter(|other| other == wish);
            same.count() == 1 && !taken.contains(*wish)
        };
        let granted: Vec<_> = wishes
            .iter()
            .map(|wish| wish.as_ref().filter(only))
            .collect();
        let granted: Vec<Option<String>> =
            granted.into_iter().map(Option::<&String>::cloned).collect();
        for (name, granted) in names.iter_mut().zip(granted) {
            taken.extend(granted.clone());
            *name = name.take().or(granted);
        }
    }
    let counted = names.into_iter().zip(nodes).map(|(name, node)| match name {
        Some(name) => name,
        None => counted(&node.choice(0).unwrap_or_default(), &mut taken),
    });
    counted.collect()
}

fn named(node: &Called) -> Option<String> {
    match node {
        Called::Named(name) => Some(name.clone()),
        Called::ByServer(_) => None,
    }
}

fn counted(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut all = (2..).map(|count| format!("{name}#{count}"));
    let free = std::iter::once(name.to_owned()).chain(&mut all);
    let mut free = free.filter(|name| !taken.contains(name));
    let name = free.next().unwrap_or_default();
    taken.insert(name.clone());
    name
}

impl Called {
    fn choices(&self) -> usize {
        match self {
            Self::Named(_) => 0,
            Self::ByServer(choices) => choices.len(),
        }
    }

    /// The choice of this length; where there are only shorter ones, the longest.
    fn choice(&self, length: usize) -> Option<String> {
        match self {
            Self::Named(_) => None,
            Self::ByServer(choices) => choices.get(length).or(choices.last()).cloned(),
        }
    }
}

/// A connection that the application made: its pool knows the server. A mock or a proxy has none, and is counted.
pub(super) fn adopted(connection: &DatabaseConnection) -> Called {
    let choices = match &connection.inner {
        #[cfg(feature = "postgres")]
        DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
            let options = connection.get_postgres_connection_pool().connect_options();
            let socket = options.get_socket().map(|path| path.to_string_lossy());
            let host = socket.unwrap_or(options.get_host().into());
            url::at(&host, options.get_port(), 5432, options.get_database())
        }
        #[cfg(feature = "mysql")]
        DatabaseConnectionType::SqlxMySqlPoolConnection(_) => {
            let options = connection.get_mysql_connection_pool().connect_options();
            let socket = options.get_socket().map(|path| path.to_string_lossy());
            let host = socket.unwrap_or(options.get_host().into());
            url::at(&host, options.get_port(), 3306, options.get_database())
        }
        #[cfg(feature = "sqlite")]
        DatabaseConnectionType::SqlxSqlitePoolConnection(_) => {
            let options = connection.get_sqlite_connection_pool().connect_options();
            url::file(&options.get_filename().to_string_lossy())
        }
        _ => vec!["connection".to_owned()],
    };
    Called::ByServer(choices)
}
