//! A pooler that began to share connections while the application ran, as a statement's error shows it (rule I8).

use std::time::Duration;

use sea_orm::{DbErr, sqlx::Connection};

use super::{Node, open::connect_postgres, sharing::find};
use crate::{config::Config, signal::may_show_sharing};

/// What a statement showed is looked at once in this time, however many show it: a caller may have what is prepared forgotten
/// as well.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Node {
    /// Looks for a pooler that began to share connections, since a statement's error shows one: before the statement is sent
    /// again. The monitor would find it when it next connects, and by then statements would have failed. Whether there is one
    /// behind which the statement has to run otherwise.
    pub(crate) async fn look_for_pooler(&self, config: &Config, shown: &DbErr) -> bool {
        let Some(node) = self.direct.as_ref().filter(|_| may_show_sharing(shown)) else {
            return false;
        };
        let sharing = config.found.sharing(node.url.without_password());
        let look = sharing.look(LOOK_EVERY, async || {
            if let Ok(mut conn) = connect_postgres(config, node, "sealane-look").await {
                let _ = find(config, node, &mut conn).await;
                let _ = conn.close().await;
            }
        });
        // In vain it is a statement that may fail.
        let _ = tokio::time::timeout(config.connect_timeout, look).await;
        self.link.needs_blocks()
    }
}
