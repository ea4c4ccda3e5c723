//! What a caller's `ConnectOptions` says about our knobs.
//!
//! The template stands between an explicit value, which wins over it, and our defaults, which it replaces. What
//! SeaORM offers no reader for (closures, search path, callbacks) stays in the template and reaches the nodes'
//! pools from there.

use sea_orm::DbBackend;

use super::{Config, draft::Draft};

/// A connection that waits outside of its pool does so for less than this.
#[cfg(feature = "postgres")]
const SHORTEST_PING: std::time::Duration = std::time::Duration::from_millis(200);

impl Config {
    /// Whether a pool's connections may serve one statement after the other without the pool: no closure of the caller's
    /// looks at them on their way, surely, and none is to be asked whether it lives after so short an idle time.
    #[cfg(feature = "postgres")]
    pub(crate) fn may_skip_pool(&self) -> bool {
        let plain = self.connect_options.is_none() || self.plain_template;
        plain && (self.ping_after_idle).is_none_or(|idle| idle >= SHORTEST_PING)
    }

    /// Whether no closure of the caller's runs on the connections of pools, surely: nobody can look into options that have
    /// one.
    pub(crate) fn has_free_slots(&self) -> bool {
        self.connect_options.is_none() || self.plain_template
    }

    /// Whether the servers may say how far they have come, and their pools' connections whose they are. PostgreSQL's pools
    /// find out whether they can ask; MariaDB's ask where no closure can be in the way.
    pub(crate) fn may_have_positions(&self) -> bool {
        match self.primary.url.backend() {
            DbBackend::Postgres => true,
            DbBackend::MySql => self.has_free_slots(),
            _ => false,
        }
    }

    /// Whether the caller's options let connections be made when they are needed.
    pub(crate) fn is_lazy(&self) -> bool {
        let template = self.connect_options.as_ref();
        template.is_some_and(sea_orm::ConnectOptions::get_connect_lazy)
    }

    /// What this setting is called in the caller's options, where its value is theirs.
    pub(super) fn of_template(&self, field: &str) -> Option<&'static str> {
        let template = self.connect_options.as_ref()?;
        match field {
            "acquire_timeout" if template.get_acquire_timeout() == Some(self.acquire_timeout) => {
                Some("acquire_timeout")
            }
            "acquire_timeout" if template.get_connect_timeout() == Some(self.acquire_timeout) => {
                Some("connect_timeout")
            }
            "max_connections" if template.get_max_connections() == Some(self.max_connections) => {
                Some("max_connections")
            }
            _ => None,
        }
    }
}

impl Draft {
    pub(super) fn take_template(&mut self) {
        let Some(template) = self.config.connect_options.clone() else {
            return;
        };
        let assigned = std::mem::take(&mut self.assigned);
        let config = &mut self.config;
        let free = |field: &str| !assigned.contains(field);
        if let Some(value) = template
            .get_max_connections()
            .filter(|_| free("max_connections"))
        {
            config.max_connections = value;
        }
        if free("min_connections") {
            // Our own warm connection must not turn a caller's small pool into an error.
            config.min_connections = template
                .get_min_connections()
                .unwrap_or(config.min_connections.min(config.max_connections));
        }
        // SeaORM's connect time-out is another name of its acquire time-out; the latter wins there too.
        let acquire = template
            .get_acquire_timeout()
            .or(template.get_connect_timeout());
        if let Some(value) = acquire {
            if free("acquire_timeout") {
                config.acquire_timeout = value;
            }
            if free("replica_acquire_timeout") {
                config.replica_acquire_timeout = config.replica_acquire_timeout.min(value);
            }
        }
        if let Some(value) = template.get_idle_timeout().filter(|_| free("idle_timeout")) {
            config.idle_timeout = value;
        }
        if let Some(value) = template.get_max_lifetime().filter(|_| free("max_lifetime")) {
            config.max_lifetime = value;
        }
        if free("statement_timeout") {
            config.statement_timeout = template.get_statement_timeout();
        }
        if free("ping_after_idle") {
            // SeaORM's default, a ping on every acquire, cannot be told from a wish for it; ours is taken instead.
            config.ping_after_idle = match template.get_test_before_acquire_if_idle_for() {
                Some(idle) => Some(idle),
                None if template.get_test_before_acquire() => config.ping_after_idle,
                None => None,
            };
        }
        self.assigned = assigned;
    }
}
