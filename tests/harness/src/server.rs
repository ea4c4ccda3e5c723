//! The process of a node's server, while it has one.

use std::{
    process::Child,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Result, error::Attempt, process};

/// A server that was started.
pub(crate) struct Server {
    pub(crate) child: Child,
    frozen: bool,
}

impl Server {
    pub(crate) fn new(child: Child) -> Self {
        Self {
            child,
            frozen: false,
        }
    }

    /// The exit status of a server that has ended.
    pub(crate) fn ended(&mut self, node: &str) -> Result<Option<String>> {
        let status = self.child.try_wait();
        let status = status.attempt(|| format!("looking after {node}"))?;
        Ok(status.map(|status| status.to_string()))
    }
}

/// Where a node keeps its server.
#[derive(Default)]
pub(crate) struct ServerSlot(Mutex<Option<Server>>);

impl ServerSlot {
    /// The server as it was left, whether it has ended or not.
    pub(crate) fn started(&self) -> MutexGuard<'_, Option<Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server, forgotten if it has ended by itself: its number may belong to another process by now.
    pub(crate) fn alive(&self, node: &str) -> MutexGuard<'_, Option<Server>> {
        let mut server = self.started();
        let ended = |server: &mut Server| !matches!(server.ended(node), Ok(None));
        if server.as_mut().is_some_and(ended) {
            *server = None;
        }
        server
    }

    /// Stops all its processes where they stand.
    pub(crate) fn freeze(&self, node: &str) {
        if let Some(server) = self.alive(node).as_mut() {
            server.frozen = true;
            process::freeze(server.child.id());
        }
    }

    /// Lets a frozen one go on.
    pub(crate) fn thaw(&self, node: &str) {
        if let Some(server) = self.alive(node).as_mut()
            && std::mem::take(&mut server.frozen)
        {
            process::thaw(server.child.id());
        }
    }
}
