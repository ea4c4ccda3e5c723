//! The cluster's side of shadow mode: whether it is on, and what it has seen.

use super::{Cluster, ShadowReport, shared::Shared};
use crate::vocabulary::Mode;

impl Cluster {
    /// What shadow mode (`SEALANE_MODE=shadow`, [`Config::mode`](crate::Config::mode)) has seen since the start; empty in the
    /// other mode.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sealane::{Mode, RoutedConnection};
    ///
    /// let builder = RoutedConnection::builder().primary("sqlite::memory:").mode(Mode::Shadow);
    /// let db = builder.connect().await?;
    /// println!("{}", db.cluster().shadow_report());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn shadow_report(&self) -> ShadowReport {
        let shared = self.shared();
        shared.map_or_else(|_| ShadowReport::default(), |shared| shared.shadow.report())
    }
}

impl Shared {
    /// Nothing moves: everything goes to the primary.
    #[inline]
    pub(crate) fn is_shadow(&self) -> bool {
        self.config.mode == Mode::Shadow
    }
}
